//! Files that are encrypted before they reach the store and after they left it (client-side encryption): what COPY and
//! UNLOAD do with ENCRYPTED and MASTER_SYMMETRIC_KEY.
//!
//! The envelope of Amazon's S3 clients: each file has a key of its own, which encrypts it with AES-256 in CBC mode and
//! PKCS #5 padding. The file's key, encrypted with the user's key, and the initialization vector stand in the object's
//! metadata as `x-amz-key` and `x-amz-iv`. Nothing tells whether somebody changed the file: CBC does not authenticate.
//!
//! Source: Redshift's guide, "Unloading encrypted data files"; NIST SP 800-38A, 6.2 (CBC); RFC 5652, 6.3 (padding).

use crate::error::{Error, Result};
use crate::object::failed;
use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blueshift_sql::SqlState;
use blueshift_sql::statement::master_key::MasterKey;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{
    Attribute, Attributes, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, UploadPart,
};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a block.
const BLOCK: usize = 16;
/// Blocks that are decrypted at a time.
const BLOCKS_AT_ONCE: usize = 256;
/// The end of a file that tells its size: the last block, and the one it is chained to.
const TAIL_BYTES: u64 = 2 * BLOCK as u64;
/// The metadata that hold the file's key.
const KEY: &str = "x-amz-key";
/// The metadata that hold the initialization vector.
const VECTOR: &str = "x-amz-iv";
/// The metadata that describe the user's key: nothing here.
const DESCRIPTION: &str = "x-amz-matdesc";
/// The metadata that hold the key in a newer form.
const KEY_NEWER: &str = "x-amz-key-v2";

type Block = [u8; BLOCK];

/// Gives the size of a file that was encrypted.
pub(crate) fn sealed_bytes(plain: u64) -> u64 {
    (plain / BLOCK as u64 + 1) * BLOCK as u64
}

/// Encrypts one block by itself.
fn encrypt_block(cipher: &Aes256, block: &mut Block) {
    let mut inner = Array::from(*block);
    cipher.encrypt_block(&mut inner);
    *block = inner.into();
}

/// Encrypts whole blocks, each chained to the one before.
fn encrypt(cipher: &Aes256, previous: &mut Block, bytes: &mut [u8]) {
    for block in bytes.as_chunks_mut::<BLOCK>().0 {
        for (byte, before) in block.iter_mut().zip(previous.iter()) {
            *byte ^= before;
        }
        encrypt_block(cipher, block);
        *previous = *block;
    }
}

/// Decrypts whole blocks, the first of which is chained to `previous`.
fn decrypt(cipher: &Aes256, mut previous: Block, bytes: &mut [u8]) {
    for many in bytes.chunks_mut(BLOCK * BLOCKS_AT_ONCE) {
        let chained = many.to_vec();
        let blocks = many.as_chunks_mut::<BLOCK>().0;
        cipher.decrypt_blocks(Array::cast_slice_from_core_mut(blocks));
        for (block, was) in blocks.iter_mut().zip(chained.as_chunks::<BLOCK>().0) {
            for (byte, before) in block.iter_mut().zip(previous.iter()) {
                *byte ^= before;
            }
            previous = *was;
        }
    }
}

/// Adds the padding: as many bytes as are missing of a block, or a whole one, each that number.
fn pad(bytes: &mut Vec<u8>) {
    let missing = BLOCK - bytes.len() % BLOCK;
    bytes.resize(bytes.len() + missing, missing as u8);
}

/// Gives how many bytes of padding stand at the end; `None` if that is no padding.
fn padding(bytes: &[u8]) -> Option<usize> {
    let count = usize::from(*bytes.last()?);
    let begin = bytes.len().checked_sub(count)?;
    let is_padding = (1..=BLOCK).contains(&count)
        && bytes
            .get(begin..)?
            .iter()
            .all(|byte| usize::from(*byte) == count);
    is_padding.then_some(count)
}

fn cipher(key: &[u8]) -> Result<Aes256> {
    Aes256::new_from_slice(key).map_err(|_| Error::Internal("a key of another length".to_owned()))
}

/// What encrypts one file.
struct Envelope {
    cipher: Aes256,
    vector: Block,
    metadata: Attributes,
}

impl Envelope {
    /// Makes a key for a new file.
    fn new(master: &MasterKey) -> object_store::Result<Self> {
        let made = || -> Result<Self> {
            let (key, vector): ([u8; 32], Block) = (rand::random(), rand::random());
            let mut wrapped = key.to_vec();
            pad(&mut wrapped);
            let master = cipher(master.bytes())?;
            for block in wrapped.as_chunks_mut::<BLOCK>().0 {
                encrypt_block(&master, block);
            }
            let mut metadata = Attributes::new();
            let mut note = |name: &'static str, value: String| {
                metadata.insert(Attribute::Metadata(name.into()), value.into());
            };
            note(KEY, BASE64.encode(wrapped));
            note(VECTOR, BASE64.encode(vector));
            note(DESCRIPTION, "{}".to_owned());
            Ok(Self {
                cipher: cipher(&key)?,
                vector,
                metadata,
            })
        };
        made().map_err(|error| object_store::Error::Generic {
            store: "S3",
            source: error.to_string().into(),
        })
    }

    /// Reads the key of a file: `Ok(None)` if it is not encrypted so.
    fn read(metadata: &Attributes, master: &MasterKey) -> Result<Option<Self>, &'static str> {
        let value = |name: &'static str| metadata.get(&Attribute::Metadata(name.into()));
        if value(KEY_NEWER).is_some() {
            return Err("it is encrypted in a newer form (x-amz-key-v2), which is not read");
        }
        let (Some(key), Some(vector)) = (value(KEY), value(VECTOR)) else {
            return Ok(None);
        };
        let wrong =
            "it is not encrypted with this MASTER_SYMMETRIC_KEY, or its metadata are damaged";
        let mut key = BASE64.decode(key.as_ref()).map_err(|_| wrong)?;
        let vector = BASE64.decode(vector.as_ref()).map_err(|_| wrong)?;
        let master = cipher(master.bytes()).map_err(|_| wrong)?;
        for block in key.as_chunks_mut::<BLOCK>().0 {
            let mut inner = Array::from(*block);
            master.decrypt_block(&mut inner);
            *block = inner.into();
        }
        let length = key.len() - padding(&key).ok_or(wrong)?;
        key.truncate(length);
        Ok(Some(Self {
            cipher: cipher(&key).map_err(|_| wrong)?,
            vector: vector.try_into().map_err(|_| wrong)?,
            metadata: Attributes::new(),
        }))
    }
}

/// A file at a store.
#[derive(Clone)]
pub(crate) struct StoredFile {
    /// As the user would write it.
    pub(crate) url: String,
    /// Where it is.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Its place there.
    pub(crate) path: ObjectPath,
    /// Its size.
    pub(crate) bytes: u64,
}

/// Opens a file: gives it as it was before it was encrypted. One that is not stays as it is if it need not be.
pub(crate) async fn opened(
    source: StoredFile,
    master: &MasterKey,
    must: bool,
) -> Result<StoredFile> {
    let tail = GetOptions::new().with_range(Some(GetRange::Suffix(TAIL_BYTES)));
    let unread = |error| failed(&source.url, &error);
    let got = source.store.get_opts(&source.path, tail).await;
    let got = match got {
        // An empty file has no end to read, and is not encrypted.
        Err(_) if source.bytes == 0 => None,
        got => Some(got.map_err(unread)?),
    };
    let refused = |why: &str, hint: &str| {
        let message = format!("could not read \"{}\": {why}", source.url);
        let state = SqlState::BAD_COPY_FILE_FORMAT;
        Error::Sql(blueshift_sql::Error::new(state, message).with_hint(hint.to_owned()))
    };
    let hint = "Give the key that the file was encrypted with.";
    let metadata = got.as_ref().map(|got| &got.attributes);
    let envelope = match metadata {
        Some(metadata) => Envelope::read(metadata, master).map_err(|why| refused(why, hint))?,
        None => None,
    };
    let (Some(envelope), Some(got)) = (envelope, got) else {
        return match must {
            false => Ok(source),
            true => Err(refused(
                "it is not encrypted by its client",
                "Leave ENCRYPTED and MASTER_SYMMETRIC_KEY out: files that the store encrypts are read without them.",
            )),
        };
    };
    let sealed = source.bytes;
    let mut tail = got.bytes().await.map_err(unread)?.to_vec();
    let cut = || {
        refused(
            "it ends within a block of its encryption",
            "Check the file.",
        )
    };
    if tail.len() as u64 != sealed.min(TAIL_BYTES)
        || tail.is_empty()
        || !sealed.is_multiple_of(BLOCK as u64)
    {
        return Err(cut());
    }
    let last = match tail.len() > BLOCK {
        true => {
            let last = tail.split_off(BLOCK);
            let chained: Block = tail.try_into().map_err(|_| cut())?;
            (chained, last)
        }
        false => (envelope.vector, tail),
    };
    let (chained, mut last) = last;
    decrypt(&envelope.cipher, chained, &mut last);
    let padding = padding(&last).ok_or_else(|| {
        let why = "it is not encrypted with this MASTER_SYMMETRIC_KEY, or is damaged";
        refused(why, hint)
    })?;
    let bytes = sealed - padding as u64;
    Ok(StoredFile {
        store: Arc::new(Opened {
            store: source.store,
            cipher: envelope.cipher,
            vector: envelope.vector,
            bytes,
        }),
        bytes,
        ..source
    })
}

/// One file that is decrypted as it is read, in any order.
struct Opened {
    store: Arc<dyn ObjectStore>,
    cipher: Aes256,
    vector: Block,
    /// Its size without encryption.
    bytes: u64,
}

impl Opened {
    /// Reads and decrypts a range of the file as it was.
    async fn read(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        let whole = 0..self.bytes;
        let range = match &options.range {
            None => whole,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(self.bytes),
            Some(GetRange::Offset(from)) => *from..self.bytes,
            Some(GetRange::Suffix(count)) => self.bytes.saturating_sub(*count)..self.bytes,
        };
        let first = range.start / BLOCK as u64 * BLOCK as u64;
        let end = range.end.div_ceil(BLOCK as u64) * BLOCK as u64;
        // The block before is what the first is chained to.
        let before = first.saturating_sub(BLOCK as u64);
        let wanted: Range<u64> = before..end.max(before + BLOCK as u64);
        let asked = GetOptions {
            range: Some(GetRange::Bounded(wanted.clone())),
            ..options
        };
        let got = self.store.get_opts(location, asked).await?;
        let meta = ObjectMeta {
            size: self.bytes,
            ..got.meta.clone()
        };
        let attributes = got.attributes.clone();
        let mut bytes = got.bytes().await?.to_vec();
        if bytes.len() as u64 != wanted.end - wanted.start {
            return Err(object_store::Error::Generic {
                store: "S3",
                source: format!(
                    "{} bytes came instead of {}",
                    bytes.len(),
                    wanted.end - wanted.start
                )
                .into(),
            });
        }
        let previous = match (before < first, bytes.first_chunk::<BLOCK>()) {
            (true, Some(before)) => *before,
            _ => self.vector,
        };
        let skipped = (first - before) as usize;
        decrypt(
            &self.cipher,
            previous,
            bytes.get_mut(skipped..).unwrap_or_default(),
        );
        let begin = (range.start - before) as usize;
        let end = begin + range.end.saturating_sub(range.start) as usize;
        let bytes = Bytes::from(bytes).slice(begin..end);
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::iter([Ok(bytes)]).boxed()),
            meta,
            range,
            attributes,
        })
    }
}

/// Encrypts all that is written to a bucket.
pub(crate) struct Sealing {
    store: Arc<dyn ObjectStore>,
    master: MasterKey,
}

impl Sealing {
    /// Wraps the store that the files are kept in.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, master: &MasterKey) -> Arc<dyn ObjectStore> {
        Arc::new(Self {
            store,
            master: master.clone(),
        })
    }
}

/// A file on its way to the store. The last part is held until the next comes or there is none: it alone is padded, and
/// it alone may be small.
struct SealedUpload {
    upload: Box<dyn MultipartUpload>,
    cipher: Aes256,
    previous: Block,
    held: Option<Vec<u8>>,
}

impl fmt::Debug for SealedUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealedUpload({:?})", self.upload)
    }
}

#[async_trait]
impl MultipartUpload for SealedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut ready = self.held.take().unwrap_or_default();
        let rest = ready.split_off(ready.len() / BLOCK * BLOCK);
        let mut held = rest;
        held.extend(data.iter().flatten());
        self.held = Some(held);
        if ready.is_empty() {
            return futures::future::ready(Ok(())).boxed();
        }
        encrypt(&self.cipher, &mut self.previous, &mut ready);
        self.upload.put_part(ready.into())
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        if let Some(mut last) = self.held.take() {
            pad(&mut last);
            encrypt(&self.cipher, &mut self.previous, &mut last);
            self.upload.put_part(last.into()).await?;
        }
        self.upload.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.upload.abort().await
    }
}

/// What both wraps hand on as it is.
macro_rules! handed_on {
    () => {
        fn delete_stream(
            &self,
            locations: BoxStream<'static, object_store::Result<ObjectPath>>,
        ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
            self.store.delete_stream(locations)
        }

        fn list(
            &self,
            prefix: Option<&ObjectPath>,
        ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            self.store.list(prefix)
        }
    };
}

macro_rules! named {
    ($store:ty) => {
        impl fmt::Display for $store {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.store, formatter)
            }
        }

        /// Never shows a key.
        impl fmt::Debug for $store {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.store, formatter)
            }
        }
    };
}

named!(Opened);
named!(Sealing);

#[async_trait]
impl ObjectStore for Opened {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if options.head {
            let mut got = self.store.get_opts(location, options).await?;
            got.meta.size = self.bytes;
            return Ok(got);
        }
        self.read(location, options).await
    }

    handed_on!();

    async fn list_with_delimiter(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl ObjectStore for Sealing {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let mut envelope = Envelope::new(&self.master)?;
        let mut bytes: Vec<u8> = Vec::with_capacity(payload.content_length() + BLOCK);
        for part in &payload {
            bytes.extend_from_slice(part);
        }
        pad(&mut bytes);
        encrypt(&envelope.cipher, &mut envelope.vector, &mut bytes);
        let options = PutOptions {
            attributes: envelope.metadata,
            ..options
        };
        self.store.put_opts(location, bytes.into(), options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let envelope = Envelope::new(&self.master)?;
        let options = PutMultipartOptions {
            attributes: envelope.metadata,
            ..options
        };
        let upload = self.store.put_multipart_opts(location, options).await?;
        Ok(Box::new(SealedUpload {
            upload,
            cipher: envelope.cipher,
            previous: envelope.vector,
            held: Some(Vec::new()),
        }))
    }

    async fn get_opts(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    handed_on!();

    async fn list_with_delimiter(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    fn key(byte: u8) -> MasterKey {
        MasterKey::read(&BASE64.encode([byte; 32])).expect("a key")
    }

    async fn source(store: &Arc<dyn ObjectStore>, path: &ObjectPath) -> StoredFile {
        let meta = store.head(path).await.expect("a file");
        StoredFile {
            url: format!("s3://bucket/{path}"),
            store: Arc::clone(store),
            path: path.clone(),
            bytes: meta.size,
        }
    }

    /// NIST SP 800-38A, F.2.5 and F.2.6.
    #[test]
    fn blocks_are_chained_as_the_standard_says() {
        let hex = |text: &str| -> Vec<u8> {
            let digits = text.as_bytes().chunks_exact(2);
            let bytes = digits.map(|two| {
                let two = std::str::from_utf8(two).expect("digits");
                u8::from_str_radix(two, 16).expect("a byte")
            });
            bytes.collect()
        };
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let cipher = cipher(&key).expect("a cipher");
        let vector: Block = hex("000102030405060708090a0b0c0d0e0f")
            .try_into()
            .expect("16");
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let sealed = hex("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d");
        let mut bytes = plain.clone();
        encrypt(&cipher, &mut vector.clone(), &mut bytes);
        assert_eq!(bytes, sealed);
        decrypt(&cipher, vector, &mut bytes);
        assert_eq!(bytes, plain);
    }

    #[tokio::test]
    async fn any_range_of_a_file_is_read_back() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let sealing = Sealing::over(Arc::clone(&inner), &key(7));
        for size in [0, 1, 15, 16, 17, 31, 32, 33, 1000, 9000] {
            let plain: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            let small = ObjectPath::from(format!("small{size}"));
            let large = ObjectPath::from(format!("large{size}"));
            sealing
                .put(&small, plain.clone().into())
                .await
                .expect("put");
            let mut upload = sealing.put_multipart(&large).await.expect("an upload");
            for part in plain.chunks(40) {
                upload.put_part(part.to_vec().into()).await.expect("a part");
            }
            upload.complete().await.expect("complete");
            for path in [small, large] {
                let sealed = source(&inner, &path).await;
                assert_eq!(sealed.bytes, sealed_bytes(size as u64));
                let file = opened(sealed, &key(7), true).await.expect("opened");
                assert_eq!(file.bytes, size as u64);
                for (from, to) in [(0, size), (1, size), (16, 17), (15, 33), (size / 2, size)] {
                    let range = from as u64..to.min(size) as u64;
                    if range.start >= range.end {
                        continue;
                    }
                    let read = file.store.get_range(&path, range.clone()).await;
                    let expected = &plain[range.start as usize..range.end as usize];
                    assert_eq!(
                        read.expect("a range").as_ref(),
                        expected,
                        "{size} {range:?}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn another_key_and_plain_files_are_told() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = ObjectPath::from("a");
        let sealing = Sealing::over(Arc::clone(&inner), &key(1));
        sealing.put(&path, "rows".into()).await.expect("put");
        let told = opened(source(&inner, &path).await, &key(2), true).await;
        let told = told.err().expect("another key").to_string();
        assert!(told.contains("MASTER_SYMMETRIC_KEY"), "{told}");
        let plain = ObjectPath::from("plain");
        inner.put(&plain, "rows".into()).await.expect("put");
        assert!(
            opened(source(&inner, &plain).await, &key(2), true)
                .await
                .is_err()
        );
        let as_it_is = opened(source(&inner, &plain).await, &key(2), false).await;
        assert_eq!(as_it_is.expect("as it is").bytes, 4);
    }
}
