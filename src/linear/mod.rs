//! Numerics that several rooms share: dense products, principal components and ridge regression, which come out the
//! same to the bit on any number of threads, and numbers that files give back exactly.

mod cholesky;
pub(crate) mod dense;
mod median;
pub(crate) mod numbers;
mod pca;
mod ranks;
mod ridge;

pub(crate) use cholesky::Cholesky;
pub(crate) use median::median;
pub(crate) use pca::first_missing;
pub use pca::{PcaError, PrincipalComponents};
pub(crate) use ranks::mean_ranks;
pub use ridge::{Ridge, RidgeError};
