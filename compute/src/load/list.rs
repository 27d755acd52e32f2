//! Lists the objects and files whose names begin with a prefix, and as few others as can be.

use super::source::{FILES_MAX, invalid, object_path};
use crate::error::Result;
use crate::object::failed;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore};

/// Lists every object whose key begins with `prefix`, sorted. The client lists whole folders only, so the listing of the
/// last folder in the prefix begins just before the prefix, and ends behind it where keys come in order.
pub(crate) async fn list_keys(
    store: &dyn ObjectStore,
    prefix: &str,
    is_sorted: bool,
    url: &str,
) -> Result<Vec<ObjectMeta>> {
    let folder = folder(prefix, url)?;
    let listing = match before(prefix) {
        Some(before) => store.list_with_offset(folder.as_ref(), &before),
        None => store.list(folder.as_ref()),
    };
    let mut found = Found::new(url);
    found
        .take(listing, |key| match key.starts_with(prefix) {
            true => Match::Yes,
            false if is_sorted && key > prefix => Match::Last,
            false => Match::No,
        })
        .await?;
    Ok(found.sorted())
}

/// Lists every file whose path begins with `prefix`, sorted: those of the last folder in the prefix, and all below the
/// folders in it whose names match.
pub(crate) async fn list_files(
    store: &dyn ObjectStore,
    prefix: &str,
    url: &str,
) -> Result<Vec<ObjectMeta>> {
    let folder = folder(prefix, url)?;
    let mut found = Found::new(url);
    let matches = |key: &str| match key.starts_with(prefix) {
        true => Match::Yes,
        false => Match::No,
    };
    let listed = match store.list_with_delimiter(folder.as_ref()).await {
        Ok(listed) => listed,
        Err(error) if is_nothing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(url, &error)),
    };
    let files = futures::stream::iter(listed.objects.into_iter().map(Ok)).boxed();
    found.take(files, matches).await?;
    for below in listed.common_prefixes {
        if below.as_ref().starts_with(prefix) {
            found.take(store.list(Some(&below)), matches).await?;
        }
    }
    Ok(found.sorted())
}

/// Gives the last folder in a prefix.
fn folder(prefix: &str, url: &str) -> Result<Option<ObjectPath>> {
    let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
    folder
        .filter(|folder| !folder.is_empty())
        .map(|folder| object_path(folder, url))
        .transpose()
}

/// Gives a key that comes before every key with the prefix, and as few others as can be; `None` if the prefix is a
/// whole folder.
fn before(prefix: &str) -> Option<ObjectPath> {
    let (last_at, last) = prefix
        .char_indices()
        .last()
        .filter(|(_, last)| *last != '/')?;
    let shorter = prefix.get(..last_at)?;
    let earlier = char::from_u32(u32::from(last).checked_sub(1)?)
        .filter(|earlier| earlier.is_ascii_alphanumeric());
    let key = match earlier {
        Some(earlier) => format!("{shorter}{earlier}\u{10ffff}"),
        None => shorter.to_owned(),
    };
    // A folder loses its last slash here, and so comes still earlier.
    ObjectPath::parse(key)
        .ok()
        .filter(|key| !key.as_ref().is_empty())
}

/// Tells whether an error means that a folder is not there. A bucket that is not there is worth telling.
fn is_nothing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && !crate::object::reason(error).contains("NoSuchBucket")
}

/// Whether a key is wanted.
enum Match {
    Yes,
    No,
    /// No, and none that follow.
    Last,
}

/// What a listing found.
struct Found<'a> {
    url: &'a str,
    metas: Vec<ObjectMeta>,
}

impl<'a> Found<'a> {
    fn new(url: &'a str) -> Self {
        Self {
            url,
            metas: Vec::new(),
        }
    }

    /// Takes what matches; what is not there has nothing that does.
    async fn take(
        &mut self,
        mut listing: BoxStream<'_, object_store::Result<ObjectMeta>>,
        matches: impl Fn(&str) -> Match,
    ) -> Result<()> {
        loop {
            let meta = match listing.try_next().await {
                Ok(Some(meta)) => meta,
                Ok(None) => return Ok(()),
                Err(error) if is_nothing(&error) => return Ok(()),
                Err(error) => return Err(failed(self.url, &error)),
            };
            match matches(meta.location.as_ref()) {
                Match::Yes => self.metas.push(meta),
                Match::No => {}
                Match::Last => return Ok(()),
            }
            if self.metas.len() > FILES_MAX {
                return Err(invalid(self.url, "one COPY may load 1,000,000 files"));
            }
        }
    }

    fn sorted(mut self) -> Vec<ObjectMeta> {
        self.metas
            .sort_by(|left, right| left.location.cmp(&right.location));
        self.metas
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;

    #[tokio::test]
    async fn a_prefix_lists_what_begins_with_it() {
        let store = object_store::memory::InMemory::new();
        let keys = [
            "a/part",
            "a/part-0",
            "a/part-1",
            "a/part-1/x",
            "a/part-10",
            "a/part-2",
            "a/q/part-1",
            "b/part-1",
            "part",
            "part-1",
        ];
        for key in keys {
            let path = ObjectPath::parse(key).expect("a key");
            store.put(&path, "x".into()).await.expect("put");
        }
        for prefix in [
            "",
            "p",
            "part",
            "part-1",
            "a",
            "a/",
            "a/p",
            "a/part",
            "a/part-",
            "a/part-0",
            "a/part-1",
            "a/part-1/",
            "a/part-10",
            "a/part-2",
            "a/part-3",
            "a/q",
            "c",
            "\u{e4}",
        ] {
            let expected: Vec<_> = keys
                .into_iter()
                .filter(|key| key.starts_with(prefix))
                .collect();
            let names = |metas: Vec<ObjectMeta>| {
                metas
                    .into_iter()
                    .map(|meta| meta.location.to_string())
                    .collect::<Vec<_>>()
            };
            for is_sorted in [true, false] {
                let found = list_keys(&store, prefix, is_sorted, prefix).await;
                assert_eq!(names(found.expect("a listing")), expected, "{prefix}");
            }
            let found = list_files(&store, prefix, prefix).await;
            assert_eq!(names(found.expect("a listing")), expected, "{prefix}");
        }
    }

    #[test]
    fn listing_begins_just_before_the_prefix() {
        for (prefix, expected) in [
            ("a/part-1", Some("a/part-0\u{10ffff}")),
            ("a/part-0", Some("a/part-")),
            ("a/", None),
            ("", None),
            ("a", Some("")),
        ] {
            let before = before(prefix);
            let shown = before.as_ref().map(ObjectPath::as_ref);
            assert_eq!(shown, expected.filter(|key| !key.is_empty()), "{prefix}");
            assert!(shown.is_none_or(|before| before < prefix));
        }
    }
}
