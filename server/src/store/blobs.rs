//! The files of photos, in a folder beside the database: `DISTRICT/ab/abcd…` by SHA-256, whole and never changed;
//! `DISTRICT/partial/…` what is still being uploaded; `DISTRICT/thumbnails/…` what can be made again.
//!
//! Whole files go through `object_store`, synced. An upload grows by appending, which no object store does: that part
//! is this folder's own. One district's photos are never looked up for another: what a hash gives depends on the
//! district alone.

use std::fs::File;
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStoreExt as _, path};
use sha2::{Digest as _, Sha256};
use sync_protocol::ids::{DistrictId, PhotoHash};
use uuid::Uuid;

use super::StoreError;

/// A photo of a district.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The district.
    pub district: DistrictId,
    /// SHA-256 of its bytes.
    pub photo: PhotoHash,
    /// Who uploads it beside what others upload of it, where they may not know of that; else all go on with one upload.
    pub apart: Option<Uuid>,
}

impl Place {
    fn whole(&self) -> path::Path {
        let name = self.photo.to_string();
        let first = name.get(..2).unwrap_or_default();
        path::Path::from(format!("{}/{first}/{name}", self.district))
    }

    fn partial(&self) -> path::Path {
        let apart = self.apart.map(|uploader| format!("-{uploader}")).unwrap_or_default();
        path::Path::from(format!("{}/partial/{}{apart}", self.district, self.photo))
    }

    fn thumbnail(&self, side: u32) -> path::Path {
        path::Path::from(format!("{}/thumbnails/{}-{side}.jpg", self.district, self.photo))
    }
}

/// The folder.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    files: LocalFileSystem,
}

/// A file as it is read.
pub type Parts = BoxStream<'static, Result<Bytes, object_store::Error>>;

/// The cause of a failure in words, and whether it was that there is no room.
fn of_object(error: object_store::Error) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut kind = ErrorKind::Other;
    while let Some(found) = cause {
        if let Some(io) = found.downcast_ref::<std::io::Error>() {
            kind = io.kind();
        }
        cause = found.source();
    }
    std::io::Error::new(kind, error).into()
}

fn found<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(of_object(error)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(StoreError::from),
        Err(gone) => Err(std::io::Error::other(gone).into()),
    }
}

impl Blobs {
    /// Opens the folder, made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(root)?;
        let files = LocalFileSystem::new_with_prefix(root).map_err(of_object)?.with_fsync(true);
        Ok(Self { root: root.to_owned(), files })
    }

    fn partial(&self, place: Place) -> PathBuf {
        self.root.join(place.partial().as_ref())
    }

    /// Bytes of an upload that are on the disk: they are synced before this returns.
    pub async fn held(&self, place: Place) -> Result<u64, StoreError> {
        let path = self.partial(place);
        blocking(move || match File::open(&path) {
            Ok(file) => {
                file.sync_data()?;
                Ok(file.metadata()?.len())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        })
        .await
    }

    /// Appends to an upload where it ends at this offset, and gives where it ends now. Not synced: [`Self::held`] is.
    /// A part that does not fit on the disk is taken back.
    pub async fn append(&self, place: Place, offset: u64, bytes: Bytes) -> Result<u64, StoreError> {
        let path = self.partial(place);
        blocking(move || {
            if offset == 0
                && let Some(folder) = path.parent()
            {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
            let end = file.metadata()?.len();
            if end != offset {
                return Ok(end);
            }
            file.seek(SeekFrom::End(0))?;
            if let Err(error) = file.write_all(&bytes) {
                // What is there of it would count as held.
                file.set_len(offset)?;
                return Err(error);
            }
            if offset == 0
                && let Some(folder) = path.parent()
            {
                File::open(folder)?.sync_all()?;
            }
            Ok(offset + u64::try_from(bytes.len()).unwrap_or(0))
        })
        .await
    }

    /// The bytes of an upload.
    pub async fn read_partial(&self, place: Place) -> Result<Option<Bytes>, StoreError> {
        self.read(&place.partial()).await
    }

    /// Makes an upload a whole file, at once and durably.
    pub async fn seal(&self, place: Place) -> Result<(), StoreError> {
        self.files.rename(&place.partial(), &place.whole()).await.map_err(of_object)
    }

    /// Writes a whole file, durably.
    pub async fn put(&self, place: Place, bytes: Bytes) -> Result<(), StoreError> {
        self.files.put(&place.whole(), bytes.into()).await.map_err(of_object).map(drop)
    }

    /// Throws an upload away.
    pub async fn discard(&self, place: Place) -> Result<(), StoreError> {
        found(self.files.delete(&place.partial()).await).map(drop)
    }

    /// Throws away the uploads of a district that stand apart and did not grow since.
    pub async fn discard_apart(&self, district: DistrictId, before_ms: i64) -> Result<(), StoreError> {
        let folder = self.root.join(format!("{district}/partial"));
        blocking(move || {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let is_apart = entry.file_name().to_string_lossy().contains('-');
                let grew = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                if is_apart && i64::try_from(grew.as_millis()).unwrap_or(i64::MAX) < before_ms {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Deletes a photo in every form.
    pub async fn erase(&self, place: Place, sides: &[u32]) -> Result<(), StoreError> {
        let thumbnails = sides.iter().map(|side| place.thumbnail(*side));
        for path in [place.partial(), place.whole()].into_iter().chain(thumbnails) {
            found(self.files.delete(&path).await)?;
        }
        Ok(())
    }

    /// The bytes of a whole file.
    pub async fn whole(&self, place: Place) -> Result<Option<Bytes>, StoreError> {
        self.read(&place.whole()).await
    }

    /// Whether a whole file is there and its bytes have the hash that names it.
    pub async fn is_sound(&self, place: Place) -> Result<bool, StoreError> {
        let Some(bytes) = self.whole(place).await? else { return Ok(false) };
        let hash = blocking(move || Ok(<[u8; 32]>::from(Sha256::digest(&bytes)))).await?;
        Ok(PhotoHash(hash) == place.photo)
    }

    /// A whole file, read as it is sent, and its length.
    pub async fn stream(&self, place: Place) -> Result<Option<(u64, Parts)>, StoreError> {
        let file = found(self.files.get(&place.whole()).await)?;
        Ok(file.map(|file| (file.meta.size, file.into_stream())))
    }

    /// A thumbnail that was made before.
    pub async fn thumbnail(&self, place: Place, side: u32) -> Result<Option<Bytes>, StoreError> {
        self.read(&place.thumbnail(side)).await
    }

    /// Keeps a thumbnail.
    pub async fn put_thumbnail(&self, place: Place, side: u32, bytes: Bytes) -> Result<(), StoreError> {
        self.files.put(&place.thumbnail(side), bytes.into()).await.map_err(of_object).map(drop)
    }

    /// Milliseconds since 1970 at which an upload last grew; none where there is nothing of it.
    pub async fn touched_ms(&self, place: Place) -> Result<Option<i64>, StoreError> {
        let head = found(self.files.head(&place.partial()).await)?;
        Ok(head.map(|head| head.last_modified.timestamp_millis()))
    }

    async fn read(&self, path: &path::Path) -> Result<Option<Bytes>, StoreError> {
        match found(self.files.get(path).await)? {
            Some(file) => Ok(Some(file.bytes().await.map_err(of_object)?)),
            None => Ok(None),
        }
    }
}
