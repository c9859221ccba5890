//! The calls that the emulator knows.

use serde::{Deserialize, Serialize};

/// A call that the emulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// In a script: whatever the call is. Never the operation of a request.
    Any,
    /// `GET /organizations/:name/datasets`, `GET /users/:name/datasets`.
    ListDatasets,
    /// `POST` to the same.
    CreateDataset,
    /// `GET`, `HEAD /datasets/:ref`.
    GetDataset,
    /// `PATCH /datasets/:ref`.
    PatchDataset,
    /// `DELETE /datasets/:ref`.
    DeleteDataset,
    /// `GET /datasets/:ref/versions`.
    ListVersions,
    /// `POST /datasets/:ref/versions`.
    CreateVersion,
    /// `GET`, `HEAD /datasets/:ref/versions/:tag`.
    GetVersion,
    /// `PATCH /datasets/:ref/versions/:tag`.
    PatchVersion,
    /// `DELETE /datasets/:ref/versions/:tag`.
    DeleteVersion,
    /// `POST .../versions/:tag/undelete`.
    UndeleteVersion,
    /// `POST .../versions/next/release`.
    Release,
    /// `POST .../versions/current/unrelease`.
    Unrelease,
    /// `GET /datasets/:ref/tables`.
    ListTables,
    /// `POST /datasets/:ref/tables`.
    CreateTable,
    /// `GET`, `HEAD /tables/:ref`.
    GetTable,
    /// `PATCH /tables/:ref`.
    PatchTable,
    /// `DELETE /tables/:ref`.
    DeleteTable,
    /// `GET {table or upload}/variables`.
    ListVariables,
    /// `PATCH {table or dataset}/variables`.
    PatchVariables,
    /// `GET`, `HEAD {table or upload}/variables/:name`.
    GetVariable,
    /// `PATCH` of the same.
    PatchVariable,
    /// `GET /tables/:ref/uploads`.
    ListUploads,
    /// `POST /tables/:ref/uploads`.
    CreateUpload,
    /// `GET`, `HEAD /tables/:ref/uploads/:name`.
    GetUpload,
    /// `DELETE` of the same.
    DeleteUpload,
    /// `POST .../uploads/:name/rows`.
    InsertRows,
    /// `POST /tables/:ref/tempUploads`.
    CreateTempUploads,
    /// `POST /tables/:ref/resumableUpload`, the older dialect.
    CreateResumableUpload,
    /// `POST /tables/:ref/rawFiles`.
    AttachFiles,
    /// `GET /tables/:ref/rawFiles`.
    ListFiles,
    /// `GET`, `HEAD /rawFiles/:id`.
    GetFile,
    /// `PUT` of a temp upload's URL.
    PutFile,
    /// `POST` of a temp upload's URL.
    OpenSession,
    /// `PUT` of a session's URL with bytes.
    PutChunk,
    /// `PUT` of a session's URL that asks for the offset.
    QuerySession,
    /// `DELETE` of a session's URL.
    CancelSession,
    /// Nothing that is emulated; 404.
    Unknown,
}

impl Operation {
    /// The calls that plans and runs are made of.
    pub const OF_A_RUN: [Self; 25] = [
        Self::GetDataset,
        Self::ListVersions,
        Self::CreateVersion,
        Self::GetVersion,
        Self::Release,
        Self::ListTables,
        Self::CreateTable,
        Self::GetTable,
        Self::PatchTable,
        Self::ListVariables,
        Self::GetVariable,
        Self::PatchVariable,
        Self::ListUploads,
        Self::CreateUpload,
        Self::GetUpload,
        Self::DeleteUpload,
        Self::InsertRows,
        Self::CreateTempUploads,
        Self::AttachFiles,
        Self::ListFiles,
        Self::GetFile,
        Self::PutFile,
        Self::OpenSession,
        Self::PutChunk,
        Self::QuerySession,
    ];

    /// Whether it changes something.
    pub fn is_write(self) -> bool {
        !matches!(
            self,
            Self::Any
                | Self::ListDatasets
                | Self::GetDataset
                | Self::ListVersions
                | Self::GetVersion
                | Self::ListTables
                | Self::GetTable
                | Self::ListVariables
                | Self::GetVariable
                | Self::ListUploads
                | Self::GetUpload
                | Self::ListFiles
                | Self::GetFile
                | Self::QuerySession
                | Self::Unknown
        )
    }

    /// Whether it comes with a body that matters.
    pub fn has_body(self) -> bool {
        matches!(
            self,
            Self::CreateDataset
                | Self::PatchDataset
                | Self::PatchVersion
                | Self::Release
                | Self::CreateTable
                | Self::PatchTable
                | Self::PatchVariables
                | Self::PatchVariable
                | Self::CreateUpload
                | Self::InsertRows
                | Self::CreateTempUploads
                | Self::CreateResumableUpload
                | Self::AttachFiles
                | Self::PutFile
                | Self::PutChunk
        )
    }

    /// Whether its answer has a body that a client must read whole.
    pub fn has_answer_body(self) -> bool {
        !matches!(
            self,
            Self::Any
                | Self::DeleteDataset
                | Self::DeleteVersion
                | Self::DeleteTable
                | Self::DeleteUpload
                | Self::PutFile
                | Self::OpenSession
                | Self::PutChunk
                | Self::QuerySession
                | Self::CancelSession
                | Self::Unknown
        )
    }
}
