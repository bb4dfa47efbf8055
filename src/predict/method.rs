//! Who predicts: the model, a simple method, or what they are measured by.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a method looks at, which decides what it may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// The model, alone or combined with simple methods.
    Learned,
    /// Means over training wells: what the model is compared with, and combined with.
    Simple,
    /// Means that know where the target's wells stand on their plates: the model is compared with them, and never combined
    /// with them, since what was not measured stands nowhere.
    Layout,
    /// Looks at part of the outcome in the target's own wells: shown, and compared with nothing.
    Outcome,
    /// What a perfect prediction and repeating the experiment reach: the ceilings.
    Repeat,
}

/// The methods of one word each, with what they look at.
macro_rules! methods {
    ($($(#[doc = $doc:literal])* $variant:ident = $word:literal, $kind:ident;)*) => {
        /// A method of prediction. It is written, in files and in what is asked for, as one word.
        ///
        /// Methods are ordered by their words.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Method {
            $($(#[doc = $doc])* $variant,)*
            /// The effect of the same intervention in the context named, `from:CONTEXT`.
            FromContext(String),
            /// A simple method that predicts latents, which are then read out as the model's are; its word ends in `_of_latents`.
            OfLatents(Box<Method>),
        }

        /// The methods of one word, in the order in which they are listed to the user.
        const PLAIN: &[Method] = &[$(Method::$variant,)*];

        impl Method {
            /// The word in files and requests.
            pub fn word(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$variant => Cow::Borrowed($word),)*
                    Self::FromContext(context) => Cow::Owned(format!("{FROM}{context}")),
                    Self::OfLatents(method) => Cow::Owned(format!("{method}{OF_LATENTS}")),
                }
            }

            /// What the method is, in a few words.
            pub fn words(&self) -> String {
                match self {
                    $(Self::$variant => plain(concat!($($doc),*)),)*
                    Self::FromContext(context) => format!("the same intervention in {context}"),
                    Self::OfLatents(method) => format!("{}, in latents", method.words()),
                }
            }

            /// What the method looks at.
            pub fn kind(&self) -> MethodKind {
                match self {
                    $(Self::$variant => MethodKind::$kind,)*
                    Self::FromContext(_) => MethodKind::Simple,
                    Self::OfLatents(method) => method.kind(),
                }
            }
        }
    };
}

/// A sentence as a phrase: without its capital and its full stop.
fn plain(sentence: &str) -> String {
    let text = sentence.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

methods! {
    /// The learned world model (LeWorldModel).
    Model = "lewm", Learned;
    /// All methods, weighted as they did on what was held out: what the tool predicts with.
    Combined = "combined", Learned;
    /// The response of the neighboring doses and what the model says of the difference from them.
    Contrast = "lewm_contrast", Learned;
    /// Nothing happens: cells stay as they are untreated.
    NoChange = "no_change", Simple;
    /// The mean of the training treatments.
    MeanShift = "mean_shift", Simple;
    /// The nearest training dose of the same perturbations.
    NearestDose = "nearest_dose", Simple;
    /// Between the next lower and the next higher training dose, linear in log dose.
    Interpolation = "interpolation", Simple;
    /// Interpolation of profiles that the noise of replicates was taken out of.
    DenoisedInterpolation = "denoised_interpolation", Simple;
    /// What a hierarchical model of effects expects.
    Prior = "prior", Simple;
    /// Simple methods together, weighted as they did on what was held out: where the model starts.
    Expected = "expected", Simple;
    /// The effects of the members of a combination, added.
    Additive = "additive", Simple;
    /// Ridge regression on features of the intervention.
    Ridge = "ridge", Simple;
    /// The same intervention in all other contexts.
    OtherContext = "other_context", Simple;
    /// Wells in the same place of other plates.
    WellPosition = "well_position", Layout;
    /// Wells of the same lab batch.
    BatchOnly = "batch_only", Layout;
    /// Wells with as many cells.
    CellCountOnly = "cell_count_only", Outcome;
    /// Perturbations with the most similar descriptors.
    NearestNeighbors = "knn", Simple;
    /// The mean of what was seen of a track.
    StartMean = "start_mean", Simple;
    /// The mean over training tracks at each time.
    MeanResponse = "mean_response", Simple;
    /// The mean over training tracks, shifted to the beginning of the track.
    MeanResponseShifted = "mean_response_shifted", Simple;
    /// Between the mean tracks of the training doses around.
    NeighborDoses = "neighbor_doses", Simple;
    /// Between the tracks of the training doses around, shifted to the beginning of the track.
    NeighborDosesShifted = "neighbor_doses_shifted", Simple;
    /// The frame that is to be predicted, read out of its own latents: what a perfect prediction would reach.
    TrueFrame = "true_frame", Outcome;
    /// What was measured.
    Measured = "measured", Outcome;
    /// The true profile, of which replicates are noisy measurements: what no method does better than.
    Perfect = "perfect", Repeat;
    /// Other wells of the same treatment.
    Replicate = "replicate", Repeat;
    /// Other tracks of the same treatment, shifted to the beginning of the track.
    ReplicateShifted = "replicate_shifted", Repeat;
}

const FROM: &str = "from:";

const OF_LATENTS: &str = "_of_latents";

impl Method {
    /// Whether the model is compared with it.
    pub fn is_baseline(&self) -> bool {
        matches!(self.kind(), MethodKind::Simple | MethodKind::Layout)
    }

    /// Whether it says where treatments lie, so that it can rank them.
    pub fn can_rank(&self) -> bool {
        match self {
            Self::Model
            | Self::Combined
            | Self::NoChange
            | Self::MeanShift
            | Self::NearestDose
            | Self::Interpolation
            | Self::DenoisedInterpolation
            | Self::Prior
            | Self::Additive
            | Self::Ridge
            | Self::OtherContext
            | Self::FromContext(_)
            | Self::WellPosition
            | Self::BatchOnly
            | Self::CellCountOnly
            | Self::NearestNeighbors
            | Self::Measured => true,
            Self::Contrast
            | Self::Expected
            | Self::StartMean
            | Self::MeanResponse
            | Self::MeanResponseShifted
            | Self::NeighborDoses
            | Self::NeighborDosesShifted
            | Self::TrueFrame
            | Self::Perfect
            | Self::Replicate
            | Self::ReplicateShifted
            | Self::OfLatents(_) => false,
        }
    }

    /// The words of all methods that can rank, separated by commas.
    pub fn rankers() -> String {
        let words = PLAIN.iter().filter(|method| method.can_rank()).map(Method::word);
        words.chain([Cow::Borrowed("from:CONTEXT")]).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word())
    }
}

/// A word that names no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a method; the methods are {}", Method::rankers())]
pub struct UnknownMethod {
    /// The word.
    pub word: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(word: &str) -> Result<Self, UnknownMethod> {
        if let Some(method) = PLAIN.iter().find(|method| method.word() == word) {
            return Ok(method.clone());
        }
        if let Some(context) = word.strip_prefix(FROM) {
            return Ok(Self::FromContext(context.to_owned()));
        }
        match word.strip_suffix(OF_LATENTS) {
            Some(method) => Ok(Self::OfLatents(Box::new(method.parse()?))),
            None => Err(UnknownMethod { word: word.to_owned() }),
        }
    }
}

impl Ord for Method {
    fn cmp(&self, other: &Self) -> Ordering {
        self.word().cmp(&other.word())
    }
}

impl PartialOrd for Method {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_read_from_its_word() {
        let rest = [Method::FromContext("A549".into()), Method::OfLatents(Box::new(Method::Additive))];
        for method in PLAIN.iter().cloned().chain(rest) {
            assert_eq!(method.word().parse::<Method>().unwrap(), method);
        }
        let message = "guess".parse::<Method>().unwrap_err().to_string();
        assert!(message.starts_with("`guess` is not a method; the methods are lewm, combined, no_change"), "{message}");
        assert!("guess_of_latents".parse::<Method>().is_err());
    }

    #[test]
    fn what_looks_at_the_outcome_or_repeats_it_is_not_compared_with() {
        let not_compared: Vec<_> = PLAIN.iter().filter(|method| !method.is_baseline()).map(Method::word).collect();
        let expected = [
            "lewm",
            "combined",
            "lewm_contrast",
            "cell_count_only",
            "true_frame",
            "measured",
            "perfect",
            "replicate",
            "replicate_shifted",
        ];
        assert_eq!(not_compared, expected);
        assert!(Method::OfLatents(Box::new(Method::MeanShift)).is_baseline());
    }

    #[test]
    fn every_method_says_what_it_is() {
        assert_eq!(Method::Model.words(), "the learned world model (LeWorldModel)");
        assert_eq!(Method::FromContext("A549".into()).words(), "the same intervention in A549");
        assert!(PLAIN.iter().all(|method| method.words().len() > 8 && !method.words().ends_with('.')));
    }

    #[test]
    fn methods_are_ordered_by_their_words() {
        let mut methods = [Method::Model, Method::FromContext("a".into()), Method::Combined, Method::Additive];
        methods.sort();
        assert_eq!(methods.map(|method| method.word()), ["additive", "combined", "from:a", "lewm"]);
    }
}
