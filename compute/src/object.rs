//! Object-store clients and credentials for user data, and what a load may reach.

use crate::error::{Error, Result};
use crate::reach::Reach;
use blueshift_sql::SqlState;
use blueshift_sql::statement::copy::Authorization;
use blueshift_sql::statement::unload::Encryption;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::client::HttpError;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

mod http;
mod request;
mod role;
pub(crate) mod sealed;

use http::{Clients, Connector, Redirected};
pub use request::{Request, RequestLog};
pub(crate) use request::{for_slice, slice};
pub use role::{Role, Roles};
use sealed::Sealing;

/// Variables of the server's environment that name what its clients connect to.
const ENDPOINT_VARIABLES: [&str; 6] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// Where containers of ECS get their credentials, if this is set.
const CONTAINER_VARIABLE: (&str, &str) = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "http://169.254.170.2",
);

mod secret;

pub use secret::{Secret, SecretTls, Secrets};

/// What COPY may read and UNLOAD may write.
#[derive(Clone, Debug, Default)]
pub struct ObjectPolicy {
    /// `file://` is allowed under these directories only; symlinks must not lead out.
    pub copy_roots: Vec<PathBuf>,
    /// UNLOAD writes `file://` under these directories only; symlinks must not lead out.
    pub unload_roots: Vec<PathBuf>,
    /// Snapshots are kept under these directories only; symlinks must not lead out.
    pub snapshot_roots: Vec<PathBuf>,
    /// Overrides the S3 endpoint (`AWS_ENDPOINT_URL`), for example `http://127.0.0.1:9000`.
    pub s3_endpoint: Option<String>,
    /// The region if COPY names none (`AWS_REGION`).
    pub s3_region: Option<String>,
    /// A store that says nothing for so long is asked again; 20 s if `None`.
    pub stall: Option<Duration>,
    /// What may be connected to though its address is loopback, link-local or private. The endpoints configured here and in
    /// the environment need not be listed.
    pub reach: Reach,
    /// What IAM_ROLE stands for.
    pub roles: Roles,
    /// The private key that COPY ... SSH logs in to hosts with; without it there is no such COPY.
    pub ssh_key: Option<PathBuf>,
    /// The connections of all clones.
    pub connections: Connections,
    /// Where the requests of a statement are noted.
    pub requests: Option<Arc<RequestLog>>,
    /// What SECRET_ARN stands for.
    pub secrets: Secrets,
    /// Where the data catalog is; the server's own if `None`.
    pub glue_endpoint: Option<String>,
}

/// Connections to stores, shared by all clones of a policy.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<OnceLock<Arc<Clients>>>);

impl ObjectPolicy {
    /// Makes a client of one bucket. Keys of the statement go first; a role, or nothing, means the server's own
    /// environment.
    pub fn bucket(
        &self,
        bucket: &str,
        authorization: &Authorization,
        region: Option<&str>,
    ) -> Result<Arc<dyn ObjectStore>> {
        client(bucket, self.builder(bucket, authorization, region)?)
    }

    /// Makes a client of one bucket whose writes ask for an encryption.
    pub fn bucket_to_write(
        &self,
        bucket: &str,
        authorization: &Authorization,
        region: Option<&str>,
        encryption: &Encryption,
    ) -> Result<Arc<dyn ObjectStore>> {
        let builder = self.builder(bucket, authorization, region)?;
        let builder = match encryption {
            // The bucket's own default holds.
            Encryption::Store | Encryption::BucketKey | Encryption::Client(_) => builder,
            Encryption::StoreKeys => {
                let key = "aws_server_side_encryption".parse();
                let key: AmazonS3ConfigKey =
                    key.map_err(|error| Error::Internal(format!("{error}")))?;
                builder.with_config(key, "AES256")
            }
            Encryption::Kms(key) => builder.with_sse_kms_encryption(key),
        };
        let store = client(bucket, builder)?;
        Ok(match encryption {
            Encryption::Client(key) => Sealing::over(store, key),
            _ => store,
        })
    }

    /// Gives the same policy for one statement, whose requests are noted.
    pub fn noting(&self, requests: &Arc<RequestLog>) -> Self {
        Self {
            requests: Some(Arc::clone(requests)),
            ..self.clone()
        }
    }

    /// Gives what requests to other services of AWS are signed with.
    pub(crate) async fn credential(
        &self,
        authorization: &Authorization,
        region: Option<&str>,
    ) -> Result<Arc<AwsCredential>> {
        let failed = |error: object_store::Error| {
            let text = format!("no credentials for the data catalog: {}", reason(&error));
            Error::Sql(blueshift_sql::Error::new(
                SqlState::INVALID_AUTHORIZATION,
                text,
            ))
        };
        // A client needs a bucket, which is never asked for.
        let builder = self.builder("catalog", authorization, region);
        let store = builder?.build().map_err(failed)?;
        store.credentials().get_credential().await.map_err(failed)
    }

    fn builder(
        &self,
        bucket: &str,
        authorization: &Authorization,
        region: Option<&str>,
    ) -> Result<AmazonS3Builder> {
        ensure_bucket(bucket)?;
        let role = match authorization {
            Authorization::IamRole(name) => self.roles.find(name).map_err(|role| no_role(&role))?,
            _ => None,
        };
        let keys = match (authorization, role) {
            (
                Authorization::Keys {
                    access_key_id,
                    secret_access_key,
                    session_token,
                },
                _,
            ) => Some((access_key_id, secret_access_key, session_token)),
            (_, Some(role)) => Some((
                &role.access_key_id,
                &role.secret_access_key,
                &role.session_token,
            )),
            _ => None,
        };
        let connector = Connector {
            clients: self.clients(),
            bucket: bucket.into(),
            log: self.requests.clone(),
        };
        let mut builder = builder_from_env(keys.is_some())
            .with_bucket_name(bucket)
            .with_retry(http::retries())
            .with_http_connector(connector);
        let own = role.and_then(|role| role.endpoint.as_ref());
        let own = own.or(self.s3_endpoint.as_ref());
        if let Some(endpoint) = own {
            builder = builder.with_endpoint(endpoint);
        }
        let endpoint = own
            .cloned()
            .or_else(|| std::env::var("AWS_ENDPOINT_URL").ok());
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let of_role = role.and_then(|role| role.region.as_deref());
        if let Some(region) = region.or(of_role).or(self.s3_region.as_deref()) {
            ensure_region(region)?;
            builder = builder.with_region(region);
        }
        if let Some((access_key_id, secret_access_key, session_token)) = keys {
            builder = builder
                .with_access_key_id(access_key_id)
                .with_secret_access_key(secret_access_key);
            if let Some(token) = session_token {
                builder = builder.with_token(token);
            }
        }
        Ok(builder)
    }

    /// Gives the connections, whose first use fixes what may be reached.
    fn clients(&self) -> Arc<Clients> {
        let clients = self.connections.0.get_or_init(|| {
            let variables = ENDPOINT_VARIABLES.iter();
            let variables = variables.filter_map(|name| std::env::var(name).ok());
            let container =
                std::env::var_os(CONTAINER_VARIABLE.0).map(|_| CONTAINER_VARIABLE.1.to_owned());
            let roles = self.roles.endpoints().map(str::to_owned);
            let configured = variables
                .chain(container)
                .chain(self.s3_endpoint.clone())
                .chain(roles);
            let reach = configured.fold(self.reach.clone(), |reach, url| reach.with_url(&url));
            Arc::new(Clients::new(reach, self.stall))
        });
        Arc::clone(clients)
    }

    /// Gives the file system, for paths that passed [`ObjectPolicy::allowed_file`].
    pub fn files(&self) -> Arc<dyn ObjectStore> {
        Arc::new(LocalFileSystem::new())
    }

    /// Resolves a path and checks that it lies under a copy root, wherever symlinks lead. `path` must exist.
    pub fn allowed_file(&self, path: &Path) -> Result<PathBuf> {
        let resolved = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NoSource {
                message: format!("The specified path '{}' does not exist", path.display()),
            },
            _ => Error::Source {
                url: path.display().to_string(),
                reason: error.to_string(),
            },
        })?;
        let roots = self
            .copy_roots
            .iter()
            .filter_map(|root| root.canonicalize().ok());
        if roots.into_iter().any(|root| resolved.starts_with(root)) {
            return Ok(resolved);
        }
        Err(self.refused(path))
    }

    /// Gives the place of an allowed file or directory in the store of files; `None` if it is not there.
    pub(crate) fn file_place(&self, url: &str, path: &Path) -> Result<Option<ObjectPath>> {
        let resolved = match self.allowed_file(path) {
            Err(Error::NoSource { .. }) => return Ok(None),
            other => other?,
        };
        let place = ObjectPath::from_absolute_path(resolved);
        place.map(Some).map_err(|error| Error::Source {
            url: url.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Refuses a path under no copy root before its existence is told.
    pub fn check_file(&self, path: &Path) -> Result<()> {
        let outside = path
            .components()
            .any(|part| matches!(part, std::path::Component::ParentDir));
        let canonical = |root: &PathBuf| root.canonicalize().unwrap_or_else(|_| root.clone());
        let under = |root: &PathBuf| path.starts_with(root) || path.starts_with(canonical(root));
        if !outside && self.copy_roots.iter().any(under) {
            return Ok(());
        }
        Err(self.refused(path))
    }

    /// Resolves a directory to write to, which need not exist, and checks that it lies under an unload root, wherever
    /// symlinks lead.
    pub fn allowed_target(&self, path: &Path) -> Result<PathBuf> {
        // A symlink that leads nowhere exists, and resolves to nothing.
        let existing = path
            .ancestors()
            .find(|part| part.symlink_metadata().is_ok());
        let resolved = existing.and_then(|existing| {
            let rest = path.strip_prefix(existing).ok()?;
            Some(existing.canonicalize().ok()?.join(rest))
        });
        let mut roots = self
            .unload_roots
            .iter()
            .filter_map(|root| root.canonicalize().ok());
        match resolved {
            Some(resolved) if roots.any(|root| resolved.starts_with(root)) => Ok(resolved),
            _ => Err(target_refused(path)),
        }
    }

    /// Refuses a path under no unload root before its existence is told.
    pub fn check_target(&self, path: &Path) -> Result<()> {
        let canonical = |root: &PathBuf| root.canonicalize().unwrap_or_else(|_| root.clone());
        let under = |root: &PathBuf| path.starts_with(root) || path.starts_with(canonical(root));
        let climbs = path
            .components()
            .any(|part| matches!(part, std::path::Component::ParentDir));
        match !climbs && self.unload_roots.iter().any(under) {
            true => Ok(()),
            false => Err(target_refused(path)),
        }
    }

    fn refused(&self, path: &Path) -> Error {
        Error::SourceNotAllowed {
            message: format!("COPY may not read \"{}\"", path.display()),
            hint: "Start the server with --copy-root naming a directory above it.".to_owned(),
        }
    }
}

fn target_refused(path: &Path) -> Error {
    Error::SourceNotAllowed {
        message: format!("UNLOAD may not write \"{}\"", path.display()),
        hint: "Start the server with --unload-root naming a directory above it.".to_owned(),
    }
}

/// Refuses what is no name of a bucket: it becomes a part of a URL.
fn ensure_bucket(bucket: &str) -> Result<()> {
    let known = |each: char| each.is_ascii_alphanumeric() || "-_.".contains(each);
    let is_name = (1..=255).contains(&bucket.len()) && bucket.chars().all(known);
    match is_name && bucket != "." && !bucket.contains("..") {
        true => Ok(()),
        false => Err(invalid(
            format!("\"{bucket}\" is not the name of a bucket"),
            "A name has letters, digits, hyphens and dots, as in s3://bucket/prefix.",
        )),
    }
}

/// Refuses what is no name of a region: it becomes a part of the name of a host.
fn ensure_region(region: &str) -> Result<()> {
    let known = |each: char| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-';
    match region.chars().all(known) && (1..=32).contains(&region.len()) {
        true => Ok(()),
        false => Err(invalid(
            format!("\"{region}\" is not the name of a region"),
            "Write REGION 'us-east-1', or the region of the bucket.",
        )),
    }
}

fn invalid(message: String, hint: &str) -> Error {
    let state = SqlState::INVALID_PARAMETER_VALUE;
    Error::Sql(blueshift_sql::Error::new(state, message).with_hint(hint))
}

fn no_role(role: &str) -> Error {
    let state = SqlState::INVALID_AUTHORIZATION;
    let message = format!("the server knows no role \"{role}\"");
    Error::Sql(blueshift_sql::Error::new(state, message).with_hint(
        "Add it to the file of --role-file, or give ACCESS_KEY_ID and SECRET_ACCESS_KEY.",
    ))
}

fn client(bucket: &str, builder: AmazonS3Builder) -> Result<Arc<dyn ObjectStore>> {
    let store = builder.build().map_err(|error| Error::Source {
        url: format!("s3://{bucket}"),
        reason: reason(&error),
    })?;
    Ok(Arc::new(store))
}

/// Begins a client with the AWS_ variables of the server. The session token among them belongs to the server's own keys:
/// with keys of the statement it would make every request fail.
fn builder_from_env(has_keys: bool) -> AmazonS3Builder {
    if !has_keys {
        return AmazonS3Builder::from_env();
    }
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("AWS_")?.to_ascii_lowercase();
        let key: AmazonS3ConfigKey = format!("aws_{name}").parse().ok()?;
        Some((key, value.to_str()?.to_owned()))
    });
    variables
        .filter(|(key, _)| *key != AmazonS3ConfigKey::Token)
        .fold(AmazonS3Builder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        })
}

/// Tells why a client failed, with what to do about it: S3's own words where it answered, as Redshift shows them. The
/// rest of an answer, which repeats keys and signatures, is left out.
pub(crate) fn failed(url: &str, error: &object_store::Error) -> Error {
    if let object_store::Error::Generic { source, .. } = error
        && let Some(said) = source.downcast_ref::<blueshift_sql::Error>()
    {
        // An error of ours that went through a client.
        return Error::Sql(said.clone());
    }
    told("read", url, error).unwrap_or_else(|| Error::Source {
        url: url.to_owned(),
        reason: reason(error),
    })
}

/// The same of a write.
pub(crate) fn write_failed(url: &str, error: &object_store::Error) -> Error {
    told("write", url, error).unwrap_or_else(|| {
        let message = format!("could not write \"{url}\": {}", reason(error));
        Error::Sql(blueshift_sql::Error::new(SqlState::IO_ERROR, message))
    })
}

/// Tells what a client was answered, or that it was not; `None` if it is neither.
fn told(done: &str, url: &str, error: &object_store::Error) -> Option<Error> {
    // A client without keys asks the service that hands them out to machines; if that may not be reached there are none.
    let text = chain(error);
    let is_metadata = text.contains("169.254.169.254") || text.contains("metadata endpoint");
    if let Some(Error::SourceNotAllowed { message, hint }) = found(error)
        && !is_metadata
    {
        return Some(Error::SourceNotAllowed {
            message: format!("could not {done} \"{url}\": {message}"),
            hint: hint.clone(),
        });
    }
    let tell = |code, reason: String, hint: &str| {
        let message = format!("could not {done} \"{url}\": {reason}");
        Error::Sql(blueshift_sql::Error::new(code, message).with_hint(hint))
    };
    if let Some(code) = tag(&text, "Code") {
        let said = tag(&text, "Message").unwrap_or(code);
        let status = status(error, &text);
        let reason = format!("S3ServiceException:{said},Status {status},Error {code}");
        let (state, hint) = advice(code);
        return Some(tell(state, reason, hint));
    }
    if found::<Redirected>(error).is_some() {
        return Some(tell(
            SqlState::IO_ERROR,
            Redirected.to_string(),
            "The bucket lies in another region, most often: name it with REGION.",
        ));
    }
    if is_metadata {
        return Some(tell(
            SqlState::INVALID_AUTHORIZATION,
            "no credentials were given, and the server has none of its own".to_owned(),
            "Give ACCESS_KEY_ID and SECRET_ACCESS_KEY, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the \
             server, or start it with --reach 169.254.169.254 where its machine has credentials of its own.",
        ));
    }
    if let Some(at) = text.find("error sending request") {
        let cause = text.get(at..).unwrap_or_default();
        let cause = cause.rsplit(": ").next().unwrap_or(cause);
        let reason = match endpoint(&text) {
            Some(endpoint) => format!("no answer from {endpoint}: {cause}"),
            None => format!("no answer: {cause}"),
        };
        return Some(tell(
            SqlState::IO_ERROR,
            reason,
            "Check REGION, and the AWS_REGION and AWS_ENDPOINT_URL of the server.",
        ));
    }
    None
}

/// Finds an error among the causes of another.
fn found<'a, E: std::error::Error + 'static>(error: &'a object_store::Error) -> Option<&'a E> {
    let mut cause: Option<&'a (dyn std::error::Error + 'static)> = Some(error);
    while let Some(each) = cause {
        if let Some(found) = each.downcast_ref::<E>() {
            return Some(found);
        }
        cause = each.source();
    }
    None
}

/// Says what a store answered instead of what it was asked for, as STL_S3CLIENT_ERROR shows it.
fn said(status: u16, body: &[u8], request_id: &str) -> String {
    let text = String::from_utf8_lossy(body);
    let code = tag(&text, "Code").unwrap_or("Unknown");
    let message = tag(&text, "Message").unwrap_or(code);
    let said =
        format!("S3ServiceException:{message},Status {status},Error {code},Rid {request_id}");
    short(&said)
}

/// What to do about an error of S3, by its code.
fn advice(code: &str) -> (SqlState, &'static str) {
    match code {
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity" => (
            SqlState::INVALID_AUTHORIZATION,
            "Check the access key id and the secret access key.",
        ),
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => (
            SqlState::INVALID_AUTHORIZATION,
            "Get a new session token and give it as SESSION_TOKEN.",
        ),
        "AccessDenied" | "AllAccessDisabled" => (
            SqlState::INSUFFICIENT_PRIVILEGE,
            "The keys or the role need s3:ListBucket on the bucket, and s3:GetObject on the objects for COPY, s3:PutObject \
             and s3:DeleteObject for UNLOAD.",
        ),
        "NoSuchBucket" => (
            SqlState::UNDEFINED_FILE,
            "Check the name of the bucket, and the AWS_ENDPOINT_URL of the server.",
        ),
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => (
            SqlState::IO_ERROR,
            "The bucket lies in another region: name it with REGION.",
        ),
        _ => (SqlState::IO_ERROR, "Try again."),
    }
}

fn status(error: &object_store::Error, text: &str) -> String {
    let digits = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    let found = text
        .split_once("non-2xx status code: ")
        .map(|(_, rest)| digits(rest));
    found.filter(|found| found.len() == 3).unwrap_or_else(|| {
        match error {
            object_store::Error::NotFound { .. } => "404",
            object_store::Error::Unauthenticated { .. } => "401",
            object_store::Error::PermissionDenied { .. } => "403",
            _ => "500",
        }
        .to_owned()
    })
}

/// Gives the text of an XML element.
fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (found, _) = rest.split_once("</")?;
    Some(found)
}

/// Gives the scheme and host of the URL an error names.
fn endpoint(text: &str) -> Option<&str> {
    let start = text.find("http://").or_else(|| text.find("https://"))?;
    let rest = text.get(start..)?;
    let host = rest.find("://")? + 3;
    let end = rest
        .get(host..)?
        .find(['/', '?', ' ', ')'])
        .map_or(rest.len(), |end| host + end);
    rest.get(..end)
}

/// Says why a client failed, in one line and without what might hold a secret: the chain of causes, not requests.
pub fn reason(error: &object_store::Error) -> String {
    short(&chain(error))
}

/// The same of what an HTTP client says.
fn reason_of(error: &HttpError) -> String {
    short(&chain(error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut cause = Some(error);
    while let Some(each) = cause {
        let line = each.to_string();
        if !text.contains(&line) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&line);
        }
        cause = each.source();
    }
    text
}

fn short(text: &str) -> String {
    // Signed requests carry their signature in the query, and answers of S3 what was signed.
    let end = ["X-Amz-", "<?xml", "<Error>"]
        .iter()
        .filter_map(|secret| text.find(secret))
        .min()
        .unwrap_or(text.len());
    text.get(..end)
        .unwrap_or_default()
        .chars()
        .filter(|each| !each.is_control())
        .take(500)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (String, String) {
        let error = object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        };
        match failed("s3://b/k", &error) {
            Error::Sql(error) => (
                format!("{} {}", error.code.0, error.message),
                error.hint.unwrap_or_default(),
            ),
            other => (other.to_string(), String::new()),
        }
    }

    #[test]
    fn unload_stays_under_its_roots() {
        let root = tempfile::tempdir().expect("a directory");
        let below = |path: &str| root.path().join(path);
        let policy = ObjectPolicy {
            unload_roots: vec![root.path().to_path_buf()],
            copy_roots: vec![PathBuf::from("/")],
            ..ObjectPolicy::default()
        };
        assert!(policy.check_target(&below("new/dir/a")).is_ok());
        assert!(policy.check_target(&below("../a")).is_err());
        assert!(policy.check_target(Path::new("/etc/a")).is_err());
        let resolved = policy.allowed_target(&below("new/dir")).expect("allowed");
        assert!(resolved.ends_with("new/dir"));
        std::os::unix::fs::symlink("/etc", below("out")).expect("symlink");
        std::os::unix::fs::symlink("/nowhere/there", below("dangling")).expect("symlink");
        assert!(policy.allowed_target(&below("out/new")).is_err());
        assert!(policy.allowed_target(&below("out")).is_err());
        assert!(policy.allowed_target(Path::new("/etc")).is_err());
        assert!(policy.allowed_target(&below("dangling/new")).is_err());
        assert!(ObjectPolicy::default().allowed_target(root.path()).is_err());
    }

    #[test]
    fn failures_are_told_in_the_words_of_s3_without_what_was_signed() {
        let answer = "Error performing GET https://b.s3.us-east-1.amazonaws.com/k in 1s - Server returned non-2xx status \
                      code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>The \
                      request signature we calculated does not match.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId>\
                      <StringToSign>secret</StringToSign></Error>";
        let (message, hint) = told(answer);
        assert_eq!(
            message,
            "28000 could not read \"s3://b/k\": S3ServiceException:The request signature we calculated does not \
             match.,Status 403,Error SignatureDoesNotMatch"
        );
        assert!(hint.starts_with("Check the access key id"));
        let (message, hint) = told(
            "Error performing GET http://127.0.0.1:1/b?list-type=2 in 2s, after 10 retries - HTTP error: error sending \
             request: client error (Connect): tcp connect error: Connection refused (os error 111)",
        );
        assert_eq!(
            message,
            "58030 could not read \"s3://b/k\": no answer from http://127.0.0.1:1: Connection refused (os error 111)"
        );
        assert!(hint.contains("AWS_ENDPOINT_URL"));
        let (message, _) = told("Error performing PUT http://169.254.169.254/latest/api/token");
        assert!(message.contains("no credentials"), "{message}");
        let (message, _) = told("odd: <Error><StringToSign>secret</StringToSign></Error>");
        assert!(
            message.contains("odd") && !message.contains("secret"),
            "{message}"
        );
    }
}
