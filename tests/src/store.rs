//! An S3 server in this process, over a folder, that fails when it is told to: a second opinion beside moto, and the only
//! one that breaks off answers.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{
    Body, HttpResponse, S3, S3ErrorCode, S3Request, S3Response, S3Result, StdError, s3_error,
};
use s3s_fs::FileSystem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The access key id it knows.
pub const KEY: &str = "AKIDTESTKEY";
/// The secret that goes with it.
pub const SECRET: &str = "secret/that+must=not/show";
/// What the keys end with that are listed and cannot be read.
pub const GONE: &str = "/gone";
/// Its one bucket.
pub const BUCKET: &str = "bucket";

/// A running S3 server; stops when dropped.
pub struct Store {
    /// Its URL.
    pub endpoint: String,
    /// How it fails.
    pub faults: Arc<Faults>,
    root: TempDir,
    serving: JoinHandle<()>,
}

/// How a store fails.
pub struct Faults {
    chance: Mutex<StdRng>,
    /// Requests in a hundred that fail.
    percent: AtomicU32,
    /// Requests that failed.
    injected: AtomicUsize,
    /// Keys of a page of a list at most.
    keys_per_page: AtomicI32,
}

/// One way to fail.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// 503 with what S3 says when it is asked too often.
    SlowDown,
    /// The connection closes without an answer, and nothing was done.
    Reset,
    /// The same, but it was done.
    Unheard,
    /// The answer breaks off halfway.
    Truncated,
    /// No answer comes.
    Stall,
    /// Half of the answer comes.
    StallHalfway,
}

/// How long a stall lasts: longer than any server of a test waits.
const STALL: Duration = Duration::from_secs(30);

impl Faults {
    /// From now on so many requests in a hundred fail, chosen by the seed; 0 stops.
    pub fn begin(&self, seed: u64, percent: u32) {
        *self.chance.lock().unwrap_or_else(PoisonError::into_inner) = StdRng::seed_from_u64(seed);
        self.percent.store(percent, Ordering::SeqCst);
        self.injected.store(0, Ordering::SeqCst);
    }

    /// Counts the requests that failed since [`Faults::begin`].
    pub fn injected(&self) -> usize {
        self.injected.load(Ordering::SeqCst)
    }

    /// Makes lists come in pages of so many keys.
    pub fn page(&self, keys: i32) {
        self.keys_per_page.store(keys, Ordering::SeqCst);
    }

    fn draw(&self) -> Option<Fault> {
        let percent = self.percent.load(Ordering::SeqCst);
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if percent == 0 || chance.random_range(0..100) >= percent {
            return None;
        }
        self.injected.fetch_add(1, Ordering::SeqCst);
        // Stalls take time, and are fewer.
        Some(match chance.random_range(0..20) {
            0..5 => Fault::SlowDown,
            5..9 => Fault::Reset,
            9..13 => Fault::Unheard,
            13..18 => Fault::Truncated,
            18 => Fault::Stall,
            _ => Fault::StallHalfway,
        })
    }
}

impl Store {
    /// Starts it with an empty bucket.
    pub async fn start() -> Store {
        let root = TempDir::new().expect("a folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let faults = Arc::new(Faults {
            chance: Mutex::new(StdRng::seed_from_u64(0)),
            percent: AtomicU32::new(0),
            injected: AtomicUsize::new(0),
            keys_per_page: AtomicI32::new(1_000),
        });
        let files = Paged {
            files: FileSystem::new(root.path()).expect("a store"),
            faults: Arc::clone(&faults),
        };
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(serve(listener, service, Arc::clone(&faults)));
        Store {
            endpoint,
            faults,
            root,
            serving,
        }
    }

    /// Gives the arguments and the environment of a server that has its buckets here.
    pub fn arguments(&self) -> Vec<String> {
        ["--s3-endpoint", &self.endpoint, "--s3-region", "us-east-1"]
            .map(str::to_owned)
            .into()
    }

    /// Gives what COPY and UNLOAD log in with.
    pub fn keys(&self) -> String {
        format!("ACCESS_KEY_ID '{KEY}' SECRET_ACCESS_KEY '{SECRET}'")
    }

    /// Gives the file of a key.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(key)
    }

    /// Writes an object.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("an object");
    }

    /// Lists the keys below a folder in order.
    pub fn keys_below(&self, folder: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(self.path("")).expect("below the bucket");
                    keys.push(key.display().to_string());
                }
            }
        }
        keys.sort();
        keys
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, service: S3Service, faults: Arc<Faults>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            return;
        };
        let (service, faults) = (service.clone(), Arc::clone(&faults));
        tokio::spawn(async move {
            let each = service_fn(move |request| {
                let (service, faults) = (service.clone(), Arc::clone(&faults));
                answer(service, faults, request)
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            // A connection that a fault broke ends with an error, as it should.
            let _broken = builder.serve_connection(TokioIo::new(socket), each).await;
        });
    }
}

async fn answer(
    service: S3Service,
    faults: Arc<Faults>,
    request: hyper::Request<Incoming>,
) -> Result<HttpResponse, StdError> {
    let fault = faults.draw();
    match fault {
        Some(Fault::SlowDown) => return Ok(slow_down()),
        Some(Fault::Reset) => return Err(broken("reset")),
        Some(Fault::Stall) => {
            tokio::time::sleep(STALL).await;
            return Err(broken("stalled"));
        }
        _ => {}
    }
    // As at a real store, what a client no longer waits for is done all the same.
    let response = tokio::spawn(async move { Service::call(&service, request).await }).await??;
    match fault {
        Some(Fault::Unheard) => Err(broken("unheard")),
        Some(fault @ (Fault::Truncated | Fault::StallHalfway)) => halved(response, fault).await,
        _ => Ok(response),
    }
}

fn broken(why: &'static str) -> StdError {
    Box::new(std::io::Error::other(why))
}

fn slow_down() -> HttpResponse {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>Please reduce your request \
                rate.</Message></Error>";
    let mut response = HttpResponse::new(Body::from(text.to_owned()));
    *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// Sends the half of a body under the length of the whole.
async fn halved(response: HttpResponse, fault: Fault) -> Result<HttpResponse, StdError> {
    let (mut parts, body) = response.into_parts();
    let bytes = BodyExt::collect(body).await?.to_bytes();
    if bytes.len() < 2 {
        return Err(broken("nothing to halve"));
    }
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let half = futures::stream::once(async move { Ok(Frame::data(half)) });
    let end = futures::stream::once(async move {
        if matches!(fault, Fault::StallHalfway) {
            tokio::time::sleep(STALL).await;
        }
        Err::<Frame<Bytes>, std::io::Error>(std::io::ErrorKind::ConnectionReset.into())
    });
    let body = Body::http_body_unsync(StreamBody::new(half.chain(end)));
    Ok(HttpResponse::from_parts(parts, body))
}

/// The store of files, whose lists come in short pages.
struct Paged {
    files: FileSystem,
    faults: Arc<Faults>,
}

/// What is handed on as it is.
///
/// An upload that is not there any more is told as by S3, not as one of another user.
macro_rules! hand_on {
    ($($name:ident: $input:ty => $output:ty,)*) => {
        #[async_trait]
        impl S3 for Paged {
            /// Gives an object, but for those that are listed and are not there.
            async fn get_object(
                &self,
                request: S3Request<GetObjectInput>,
            ) -> S3Result<S3Response<GetObjectOutput>> {
                if request.input.key.ends_with(GONE) {
                    return Err(s3_error!(NoSuchKey));
                }
                self.files.get_object(request).await
            }

            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    let answer = self.files.$name(request).await;
                    answer.map_err(|error| match error.code() {
                        S3ErrorCode::AccessDenied => s3_error!(NoSuchUpload),
                        _ => error,
                    })
                }
            )*

            async fn list_objects_v2(
                &self,
                mut request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                let page = self.faults.keys_per_page.load(Ordering::SeqCst);
                let asked = request.input.max_keys.unwrap_or(1_000);
                request.input.max_keys = Some(asked.min(page));
                self.files.list_objects_v2(request).await
            }
        }
    };
}

hand_on! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    head_bucket: HeadBucketInput => HeadBucketOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    put_object: PutObjectInput => PutObjectOutput,
    upload_part: UploadPartInput => UploadPartOutput,
}
