//! What is measured, where its definition comes from, and which way is better.

use crate::evaluate::bootstrap::CORRELATIONS;

/// A metric of predicted responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Correlation of the changes over features.
    PearsonDelta,
    /// The same of changes from the mean response.
    PearsonDeltaShift,
    /// Cosine of the changes.
    CosineDelta,
    /// Mean absolute error.
    MaeDelta,
    /// Mean squared error.
    MseDelta,
    /// Mean squared error without the noise of cells, as a share of the size of changes.
    MseCapped,
    /// Rank of the own measurement among all, by sums of absolute differences.
    PdsL1,
    /// The same by the cosine, without target genes.
    PdsCosine,
    /// Share of other measurements that are farther away.
    CentroidAccuracy,
    /// Rank of the own prediction among all.
    Rank,
    /// Overlap of the genes that are expressed differently.
    Des,
    /// Jaccard index of these genes.
    SigJaccard,
    /// Share of right directions among them.
    DirectionFidelity,
    /// Depth to which their directions stay right.
    DirectionReach,
    /// Error of their fold changes as a share of these.
    LfcNmae,
    /// Energy distance of predicted and measured cells.
    EnergyDistance,
}

impl Metric {
    /// All metrics, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::PearsonDelta,
        Self::PearsonDeltaShift,
        Self::CosineDelta,
        Self::MaeDelta,
        Self::MseDelta,
        Self::MseCapped,
        Self::PdsL1,
        Self::PdsCosine,
        Self::CentroidAccuracy,
        Self::Rank,
        Self::Des,
        Self::SigJaccard,
        Self::DirectionFidelity,
        Self::DirectionReach,
        Self::LfcNmae,
        Self::EnergyDistance,
    ];

    /// Its name in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::PearsonDelta => "pearson_delta",
            Self::PearsonDeltaShift => "pearson_delta_shift",
            Self::CosineDelta => "cosine_delta",
            Self::MaeDelta => "mae_delta",
            Self::MseDelta => "mse_delta",
            Self::MseCapped => "mse_capped",
            Self::PdsL1 => "pds_l1",
            Self::PdsCosine => "pds_cosine",
            Self::CentroidAccuracy => "centroid_accuracy",
            Self::Rank => "rank",
            Self::Des => "des",
            Self::SigJaccard => "sig_jaccard",
            Self::DirectionFidelity => "direction_fidelity",
            Self::DirectionReach => "direction_reach",
            Self::LfcNmae => "lfc_nmae",
            Self::EnergyDistance => "energy_distance",
        }
    }

    /// The definition that is followed.
    pub fn variant(self) -> &'static str {
        match self {
            Self::PearsonDelta => "cell-eval pearson_delta; an undefined correlation counts as 0",
            Self::PearsonDeltaShift => "Systema: the mean response takes the place of the control",
            Self::CosineDelta => "cosine of predicted and measured change",
            Self::MaeDelta => "cell-eval mae_delta",
            Self::MseDelta => "cell-eval mse_delta",
            Self::MseCapped => {
                "VCC-2026 (cell-eval2 expr_mse_unbiased_capped_norm): noise of cells taken off by the jackknife"
            }
            Self::PdsL1 => {
                "VCC-2025 (cell-eval discrimination_score_l1): own target gene left out, 1 - rank / P; ties share ranks"
            }
            Self::PdsCosine => {
                "VCC-2026 (cell-eval2 pds_cosine): all target genes left out, 1 - rank / (P - 1); ties share ranks"
            }
            Self::CentroidAccuracy => "Systema: Euclidean distances; ties count half",
            Self::Rank => "PerturBench: Euclidean distances, rank / P; ties share ranks",
            Self::Des => {
                "VCC-2025 (cell-eval overlap_at_N): all genes, largest fold changes of geometric means; against the control of the truth"
            }
            Self::SigJaccard => {
                "VCC-2026 (cell-eval2 de_sig_jaccard): genes above 5 CPM in the control, without targets"
            }
            Self::DirectionFidelity => "VCC-2026 (cell-eval2 direction_fidelity_yield_raw)",
            Self::DirectionReach => "VCC-2026 (cell-eval2 direction_reach_raw): purity 0.9",
            Self::LfcNmae => "VCC-2026 (cell-eval2 lfc_nmae): 10 significant genes or more",
            Self::EnergyDistance => {
                "Euclidean, unbiased, up to 100 cells of each side, ln(1 + x) of counts brought to 10,000"
            }
        }
    }

    /// Whether less is better.
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Self::MaeDelta | Self::MseDelta | Self::MseCapped | Self::Rank | Self::LfcNmae | Self::EnergyDistance
        )
    }

    /// Between which values scores lie, where they have two ends.
    pub fn range(self) -> Option<[f64; 2]> {
        match self {
            Self::PearsonDelta | Self::PearsonDeltaShift | Self::CosineDelta => Some(CORRELATIONS),
            Self::PdsL1
            | Self::PdsCosine
            | Self::CentroidAccuracy
            | Self::Rank
            | Self::Des
            | Self::SigJaccard
            | Self::DirectionFidelity
            | Self::DirectionReach => Some([0.0, 1.0]),
            Self::MaeDelta | Self::MseDelta | Self::MseCapped | Self::LfcNmae | Self::EnergyDistance => None,
        }
    }
}
