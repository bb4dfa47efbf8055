//! The one integration binary: each further binary would link polars and burn anew.

mod layering;
