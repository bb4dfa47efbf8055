//! Where observations lie in latent space: the stored table of latents.

mod latents;
mod screen;
mod table;

pub use latents::embed;
pub use screen::embed_screen;
pub use table::{Embeddings, Level};
