//! A model's parameters by name, out of it and back into it.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Values of one parameter or buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

/// A set of parameters that does not fit a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The set lacks a parameter.
    #[error("no parameter `{name}` of shape {expected:?}; this is a checkpoint of another model")]
    Missing {
        /// Path of the parameter in the model.
        name: String,
        /// Its shape there.
        expected: Vec<usize>,
    },
    /// A parameter has another shape.
    #[error(
        "parameter `{name}` has shape {found:?}, the model expects {expected:?}; this is a checkpoint of another model"
    )]
    Shape {
        /// Path of the parameter in the model.
        name: String,
        /// Shape in the set.
        found: Vec<usize>,
        /// Shape in the model.
        expected: Vec<usize>,
    },
    /// The set has a parameter that the model lacks.
    #[error("the model has no parameter `{name}`; this is a checkpoint of another model")]
    Unknown {
        /// Name in the set.
        name: String,
    },
}

/// Where a visit of a module stands, as the names of the fields that lead there.
///
/// A variant of an enum adds no name: the encoder's weights are called `encoder.…` whichever encoder it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterPath(Vec<String>);

impl ParameterPath {
    /// Into the part called `name` of a `container` as burn describes it.
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        if !Self::is_variant(container) {
            self.0.push(name.to_owned());
        }
    }

    /// Out of the last part again.
    pub(crate) fn exit(&mut self, container: &str) {
        if !Self::is_variant(container) {
            self.0.pop();
        }
    }

    /// The fields joined by dots.
    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }

    fn is_variant(container: &str) -> bool {
        container.starts_with("Enum:")
    }
}

#[derive(Default)]
struct Collect {
    path: ParameterPath,
    /// Shape and flat values by path.
    tensors: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    trainable: usize,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let n_values = shape.iter().product::<usize>();
        if param.is_require_grad() {
            self.trainable += n_values;
        }
        self.tensors.insert(self.path.name(), (shape, tensor.reshape([n_values])));
    }
}

/// Every parameter and buffer of `module` by its path, such as `projector.output.weight`.
pub fn parameters<M: Module>(module: &M) -> BTreeMap<String, Array> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    let array = |(name, (shape, tensor)): (String, (Vec<usize>, Tensor<1>))| {
        let values = tensor.into_data().convert::<f32>().try_to_vec().expect("converted to f32");
        (name, Array { shape, values })
    };
    collect.tensors.into_iter().map(array).collect()
}

/// How many values training changes; 0 off an autodiff device, where nothing is trained.
pub fn count_parameters<M: Module>(module: &M) -> usize {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.trainable
}

struct Average {
    path: ParameterPath,
    other: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    momentum: f64,
}

impl ModuleMapper for Average {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, other) = self.other.remove(&self.path.name()).expect("both modules are of one type and of one size");
        let shape = param.val().dims();
        param.map(|own| own.mul_scalar(self.momentum) + other.reshape(shape).mul_scalar(1.0 - self.momentum))
    }
}

/// `momentum × module + (1 - momentum) × other`, for every parameter and buffer; both lie on one plain device.
pub(super) fn averaged<M: Module>(module: M, other: &M, momentum: f64) -> M {
    let mut collect = Collect::default();
    other.visit(&mut collect);
    module.map(&mut Average { path: ParameterPath::default(), other: collect.tensors, momentum })
}

struct Replace<'a> {
    path: ParameterPath,
    arrays: &'a BTreeMap<String, Array>,
    used: usize,
    error: Option<ParameterError>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let expected = param.val().dims().to_vec();
        match self.arrays.get(&name) {
            None => self.error = Some(ParameterError::Missing { name, expected }),
            Some(array) if array.shape != expected => {
                self.error = Some(ParameterError::Shape { name, found: array.shape.clone(), expected });
            }
            Some(array) => {
                self.used += 1;
                let trainable = param.is_require_grad();
                let data = TensorData::new(array.values.clone(), array.shape.clone());
                return param
                    .map(|old| Tensor::from_data(data, &old.device()).set_require_grad(trainable))
                    .set_require_grad(trainable);
            }
        }
        param
    }
}

/// `module` with every parameter and buffer taken from `arrays`.
///
/// # Errors
/// When a name is missing, a shape differs or a name is left over.
pub fn with_parameters<M: Module>(module: M, arrays: &BTreeMap<String, Array>) -> Result<M, ParameterError> {
    let names = parameters(&module);
    let mut replace = Replace { path: ParameterPath::default(), arrays, used: 0, error: None };
    let module = module.map(&mut replace);
    if let Some(error) = replace.error {
        return Err(error);
    }
    match arrays.keys().find(|name| !names.contains_key(*name)) {
        Some(name) => Err(ParameterError::Unknown { name: name.clone() }),
        None => Ok(module),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::{Init, Projector, ProjectorConfig};
    use super::*;

    fn projector(seed: u64) -> Projector {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(seed), Device::flex().autodiff());
        Projector::new(
            &mut Init { rng: &mut rng, device: &device },
            3,
            2,
            &ProjectorConfig { hidden: 4, ..Default::default() },
        )
    }

    #[test]
    fn what_is_taken_out_goes_back_in() {
        let arrays = parameters(&projector(1));
        assert_eq!(arrays["input.weight"].shape, [3, 4]);
        assert_eq!(arrays["batch_norm.running_variance"].values, [1.0; 4]);
        let other = projector(2);
        assert_ne!(parameters(&other), arrays);
        let trainable = count_parameters(&other);
        let copy = with_parameters(other, &arrays).unwrap();
        assert_eq!(parameters(&copy), arrays);
        assert_eq!(count_parameters(&copy), trainable);
        let input = Tensor::<2>::from_floats([[0.1, -2.0, 0.7]], &Device::flex().autodiff());
        assert_eq!(copy.forward(input.clone()).into_data(), projector(1).forward(input).into_data());
    }

    #[test]
    fn refuses_what_is_of_another_model() {
        let arrays = parameters(&projector(1));
        let error = |change: &dyn Fn(&mut BTreeMap<String, Array>)| {
            let mut arrays = arrays.clone();
            change(&mut arrays);
            with_parameters(projector(1), &arrays).unwrap_err()
        };
        let missing = error(&|arrays| {
            arrays.remove("output.bias");
        });
        assert_eq!(missing, ParameterError::Missing { name: "output.bias".into(), expected: vec![2] });
        let shape = error(&|arrays| {
            arrays.insert("output.bias".into(), Array { shape: vec![1], values: vec![0.0] });
        });
        assert_eq!(shape, ParameterError::Shape { name: "output.bias".into(), found: vec![1], expected: vec![2] });
        let unknown = error(&|arrays| {
            arrays.insert("extra".into(), Array { shape: vec![0], values: vec![] });
        });
        assert_eq!(unknown, ParameterError::Unknown { name: "extra".into() });
        assert!(unknown.to_string().starts_with("the model has no parameter `extra`"));
    }
}
