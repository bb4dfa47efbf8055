//! Latents back to features: a ridge head for each member, fitted on training wells.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::linear::{Ridge, RidgeError};
use crate::pair::{Anchor, anchor_of};
use crate::screen::{FeatureMatrix, Screen, Treatment};
use crate::train::{Latents, TrainedModel};

/// Settings of the decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderConfig {
    /// Penalties to choose from by leave-one-out error on the training wells.
    pub lambdas: Vec<f64>,
    /// Decode only how a prediction departs from its anchor between measured doses, where there is one.
    pub from_anchor: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { lambdas: vec![0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0], from_anchor: false }
    }
}

/// Latents to profiles; the members' profiles are averaged.
///
/// The model itself is never trained to reconstruct: this head is fitted afterwards, to say a prediction in features.
/// Where features are pixels there is nothing to say in them, and the latents themselves are the profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decoder {
    /// One for each member; none where the latents themselves are the profile.
    members: Vec<Ridge>,
    /// Consensus profiles of the training treatments, in their order, that anchors are made of; empty without `from_anchor`.
    profiles: Vec<Vec<f32>>,
}

impl Decoder {
    /// Fits one ridge for each member on the observations at `rows` of the normalized screen, which are sorted.
    ///
    /// The penalty is that which errs least at `unseen`, rows that the encoder was not trained on: what is decoded are
    /// predictions, which scatter as the latents of such rows do, and not as those that the encoder was fitted to. Without
    /// such rows it is chosen by leave-one-out error.
    ///
    /// # Errors
    /// When there are fewer than two rows or a value is not finite.
    pub fn fit(
        trained: &TrainedModel,
        screen: &Screen,
        rows: &[usize],
        unseen: &[usize],
        config: &DecoderConfig,
        device: &Device,
    ) -> Result<Self, RidgeError> {
        let profiles = screen.features.gather_matrix(rows);
        let latents = trained.encode(&screen.features, rows, device);
        let (unseen_profiles, unseen_latents) =
            (screen.features.gather_matrix(unseen), trained.encode(&screen.features, unseen, device));
        let of_member = |member: usize| match unseen.is_empty() {
            true => Ridge::fit_gcv(&latents.member(member), &profiles, &config.lambdas),
            false => Ridge::fit_checked(
                &latents.member(member),
                &profiles,
                &config.lambdas,
                &unseen_latents.member(member),
                &unseen_profiles,
            ),
        };
        let members = (0..latents.n_members()).map(of_member).collect::<Result<_, _>>()?;
        let mut of_treatment = screen.treatments();
        of_treatment.retain(|_, treated| {
            treated.retain(|row| rows.binary_search(row).is_ok());
            !treated.is_empty()
        });
        let profile = |treatment| screen.features.mean_of(&of_treatment[treatment]);
        let profiles = if config.from_anchor { trained.treatments.iter().map(profile).collect() } else { Vec::new() };
        Ok(Self { members, profiles })
    }

    /// For features that are pixels: the profile of a latent is the latent itself, members side by side.
    pub fn of_latents() -> Self {
        Self { members: Vec::new(), profiles: Vec::new() }
    }

    /// Whether profiles are latents and not features.
    pub fn is_of_latents(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether this, as read from a file, is the decoder of `trained`.
    pub fn fits(&self, trained: &TrainedModel) -> bool {
        let n_profiles = self.profiles.len();
        if self.is_of_latents() {
            return n_profiles == 0 && trained.config.encoder.crop().is_some();
        }
        self.members.len() == trained.members.len()
            && self.members.iter().all(|ridge| ridge.fits(trained.config.latent, &trained.features))
            && (n_profiles == 0 || n_profiles == trained.treatments.len())
            && self.profiles.iter().all(|profile| profile.len() == trained.features.len())
    }

    /// Profiles of predicted latents.
    ///
    /// With an anchor only the departure from it is decoded: the profile is the anchor's own plus the difference of the two
    /// decoded latents. What the latent does not hold stays the anchor's.
    pub fn decode_predicted(
        &self,
        trained: &TrainedModel,
        treatments: &[Treatment],
        latents: &Latents,
    ) -> FeatureMatrix {
        let mut decoded = self.decode(latents);
        if self.profiles.is_empty() {
            return decoded;
        }
        let anchors: Vec<Anchor> =
            treatments.iter().map(|treatment| anchor_of(treatment, &trained.treatments)).collect();
        let at_anchor = self.decode(&trained.anchor_latents(&anchors));
        for (row, anchor) in anchors.iter().enumerate().filter(|(_, anchor)| anchor.exists()) {
            for (feature, value) in decoded.row_mut(row).iter_mut().enumerate() {
                let own: f32 =
                    anchor.weights.iter().map(|&(t, weight)| weight as f32 * self.profiles[t][feature]).sum();
                *value += own - at_anchor.row(row)[feature];
            }
        }
        decoded
    }

    /// `profiles` moved by what latents moved from `from` to `to`: what a latent does not hold stays as it is.
    pub fn moved(&self, profiles: &FeatureMatrix, from: &Latents, to: &Latents) -> FeatureMatrix {
        let (from, mut moved) = (self.decode(from), self.decode(to));
        for ((value, from), profile) in moved.values_mut().iter_mut().zip(from.values()).zip(profiles.values()) {
            *value += profile - from;
        }
        moved
    }

    /// Profiles of latents, `[row, feature]`, averaged over members.
    pub fn decode(&self, latents: &Latents) -> FeatureMatrix {
        if self.is_of_latents() {
            return latents.clone().side_by_side();
        }
        let mut decoded = self.members.iter().enumerate().map(|(member, ridge)| ridge.predict(&latents.member(member)));
        let mut sum = decoded.next().expect("an ensemble has a member");
        let mut n_members = 1.0;
        for profiles in decoded {
            for (sum, value) in sum.values_mut().iter_mut().zip(profiles.values()) {
                *sum += value;
            }
            n_members += 1.0;
        }
        for value in sum.values_mut() {
            *value /= n_members;
        }
        sum
    }
}
