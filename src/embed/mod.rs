//! Where observations lie in latent space: the stored table of latents.

mod table;

pub use table::{Embeddings, Level};
