//! Embeddings, predictions and rankings, scored.
