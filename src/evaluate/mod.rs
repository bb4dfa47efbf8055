//! Scores of embeddings and predictions, beside baselines and the replicate ceiling, with intervals.
//!
//! Plain numbers in, plain numbers out. Truth is the measured consensus of held-out treatments
//! ([`baseline::measured`](crate::baseline::measured)); a method is scored on the treatments that it and the truth share.
//! The independent unit of every interval is the perturbation, not the well.

mod accuracy;
mod activity;
mod answer;
mod average_precision;
mod bootstrap;
mod ceiling;
mod comparison;
mod config;
mod conformal;
mod correlation;
mod coverage;
mod embeddings;
mod error;
mod evaluation;
mod external;
mod json;
mod labels;
mod moa;
mod neighbors;
mod order;
mod readout;
mod replicate_map;
mod retrieval;
mod rounds;
mod scores;
mod significance;
mod summary;
mod tracks;
mod trajectory;
mod treatments;
mod trust;
mod verdict;
mod wells;
mod whitened;

pub use accuracy::{Origins, TreatmentAccuracy, accuracy};
pub use activity::{ActiveIntervention, Activity, ActivitySpace};
pub use answer::{Answer, UnitName};
pub use average_precision::{average_precision, expected_average_precision, random_order_p_value};
pub use bootstrap::{Bootstrap, Claim, Estimate, MIN_UNITS, PairedDifference, UnitDifference};
pub use ceiling::{ReplicateCeiling, replicate_ceiling, split_halves};
pub use comparison::{Against, Comparison, ERROR, Ending, HeldOutLatents, Judged, Judgment, Line, RECALL, Trial};
pub use config::EvaluateConfig;
pub use conformal::{ConformalRadius, conformal_radius};
pub use correlation::{pearson, spearman};
pub use coverage::Held;
pub use embeddings::{EmbeddingScore, embedding_scores, well_embedding_scores};
pub use error::EvaluateError;
pub use evaluation::{Answers, Evaluation, Predicted};
pub use external::{ExternalItem, ExternalRow, ExternalScores, ExternalSettings, Metric, Predictor, score_responses};
pub use labels::{LATENTS, LabelGuess, Space, Vote, guesses, label_table};
pub use moa::{Exclude, MoaAccuracy, MoaVector, moa_accuracy, moa_vectors, nearest_mechanisms};
pub use neighbors::{DRAWS, Guess, RelabelingPValue, nearest_labels, relabeling_p_value};
pub use order::{Order, orders};
pub use readout::{ReadoutScore, readout_scores};
pub use replicate_map::{MapSettings, Negatives, ReplicateMap, ReplicateMaps, Unscored, replicate_map};
pub use retrieval::{Distance, Retrieval, RetrievalRank, retrieval};
pub use rounds::{Rounds, RoundsConfig, RoundsRow};
pub use scores::{ScoreRow, Scores};
pub use significance::benjamini_hochberg;
pub use tracks::{Course, TrackPrediction, trajectory_table};
pub use trajectory::{FieldSums, TRAJECTORY_METRICS, TrajectoryScore, trajectory_scores};
pub use treatments::{TreatmentScore, treatment_scores};
pub use trust::{Intervals, verdict_sentence};
pub use verdict::{Direction, MethodScores, Verdict, verdict};
pub use wells::{WellReadout, readout_table};
