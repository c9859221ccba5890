//! Words that every layer uses: names, digests, sizes, secrets, cancellation.
//! No I/O and no imports from the rest of the project.

pub mod cancel;
pub mod digest;
pub mod effort;
pub mod fingerprint;
pub mod kinds;
pub mod metadata;
pub mod names;
pub mod part;
pub mod secret;
pub mod size;

pub use cancel::CancelToken;
pub use digest::{Md5Digest, RowsHasher, Sha256Digest};
pub use effort::{Activity, Effort, TimeSpent};
pub use fingerprint::{Fingerprint, KernelFiles};
pub use kinds::{MergeStrategy, UploadOptions, UploadType, VariableType};
pub use metadata::VariableMetadata;
pub use names::{DatasetRef, FileName, ManifestName, TableRef, Version};
pub use part::{PartHasher, PartIdentity, PartName, SourceKey};
pub use secret::{Secret, SignedUrl};
pub use size::ByteCount;
