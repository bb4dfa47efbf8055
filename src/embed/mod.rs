//! Where observations lie in latent space: the stored table of latents.

mod latents;
mod table;

pub use latents::embed;
pub use table::{Embeddings, Level};
