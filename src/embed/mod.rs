//! Where observations lie in latent space: the stored table of latents.

mod latents;
mod map;
mod screen;
mod table;

pub use latents::embed;
pub use map::EmbeddingMap;
pub use screen::{Latents, embed_screen};
pub use table::{Embeddings, Level, Space};
