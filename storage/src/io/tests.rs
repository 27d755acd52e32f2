//! What every keeper must do alike, and what only one does.

use super::*;
use std::sync::Arc;

fn write(io: &dyn BlockStore, path: &str, bytes: &[u8]) -> Result<u64> {
    let path = Path::new(path);
    io.create(path, &mut |out| {
        out.write_all(bytes)
            .map_err(|error| failed("write", path, error))
    })
}

fn check_keeper(io: &dyn BlockStore) {
    assert_eq!(write(io, "a/b/one", b"hello").unwrap(), 5);
    assert!(
        write(io, "a/b/one", b"again").is_err(),
        "a file is made once"
    );
    io.sync_dir(Path::new("a/b")).unwrap();
    let mut buffer = [0; 3];
    io.read_at(Path::new("a/b/one"), 1, &mut buffer).unwrap();
    assert_eq!(&buffer, b"ell");
    let short = io.read_at(Path::new("a/b/one"), 3, &mut buffer);
    assert!(matches!(short, Err(Error::Corrupt { .. })));
    assert_eq!(io.size(Path::new("a/b/two")).unwrap(), None);
    assert_eq!(io.read(Path::new("a/b/two")).unwrap(), None);

    let mut log = io.open_append(Path::new("a/b/one")).unwrap();
    log.append(b", world").unwrap();
    log.sync().unwrap();
    log.truncate(7).unwrap();
    log.append(b"moon").unwrap();
    log.sync().unwrap();
    assert_eq!(
        io.read(Path::new("a/b/one")).unwrap().unwrap(),
        b"hello, moon"
    );

    write(io, "a/b/two", b"2").unwrap();
    io.rename(Path::new("a/b/two"), Path::new("a/b/one"))
        .unwrap();
    assert_eq!(io.read(Path::new("a/b/one")).unwrap().unwrap(), b"2");
    assert_eq!(
        io.list(Path::new("a/b")).unwrap(),
        [PathBuf::from("a/b/one")]
    );
    assert_eq!(
        io.list_dirs(Path::new("a")).unwrap(),
        [PathBuf::from("a/b")]
    );
    assert!(io.list(Path::new("nowhere")).unwrap().is_empty());
    io.remove(Path::new("a/b/one")).unwrap();
    io.remove(Path::new("a/b/one")).unwrap();
    assert!(io.list(Path::new("a/b")).unwrap().is_empty());

    let refused = io.create(Path::new("a/b/three"), &mut |out| {
        out.write_all(b"part").unwrap();
        Err(Error::Canceled)
    });
    assert!(matches!(refused, Err(Error::Canceled)));
    assert_eq!(
        io.size(Path::new("a/b/three")).unwrap(),
        None,
        "a partial file is removed"
    );
}

#[test]
fn every_keeper_keeps_the_same_promise() {
    let dir = tempfile::tempdir().unwrap();
    check_keeper(&Disk::open(dir.path(), true).unwrap());
    check_keeper(&Memory::default());
    let inner = Arc::new(Memory::default());
    check_keeper(&Faulty::new(inner, usize::MAX, Fault::Fail));
}

#[test]
fn a_directory_has_one_owner_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let disk = Disk::open(&root, true).unwrap();
    assert!(matches!(Disk::open(&root, true), Err(Error::Locked { .. })));
    assert_eq!(
        std::fs::metadata(&root).unwrap().permissions().mode() & 0o777,
        0o700
    );
    write(&disk, "secret", b"x").unwrap();
    let mode = std::fs::metadata(root.join("secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(disk);
    Disk::open(&root, true).unwrap();
}

#[test]
fn power_loss_takes_exactly_what_was_not_synced() {
    let memory = Memory::default();
    write(&memory, "d/named", b"1").unwrap();
    memory.sync_dir(Path::new("d")).unwrap();
    write(&memory, "d/unnamed", b"2").unwrap();
    let mut log = memory.open_append(Path::new("d/named")).unwrap();
    log.append(b"2").unwrap();
    log.sync().unwrap();
    log.append(b"3").unwrap();
    memory.lose_power();
    assert_eq!(memory.read(Path::new("d/named")).unwrap().unwrap(), b"12");
    assert_eq!(memory.read(Path::new("d/unnamed")).unwrap(), None);
}

#[test]
fn a_fault_breaks_one_step_and_a_stop_all_after_it() {
    let memory = Arc::new(Memory::default());
    let full = Faulty::new(memory.clone(), 1, Fault::Full);
    write(&full, "log", b"").unwrap();
    let mut log = full.open_append(Path::new("log")).unwrap();
    assert!(matches!(log.append(b"abcd"), Err(Error::DiskFull { .. })));
    assert_eq!(memory.read(Path::new("log")).unwrap().unwrap(), b"ab");
    log.truncate(0).unwrap();

    let stop = Faulty::new(memory.clone(), 0, Fault::StopAfter);
    assert!(write(&stop, "done", b"x").is_err());
    assert!(stop.stopped() && stop.read(Path::new("done")).is_err());
    assert_eq!(memory.read(Path::new("done")).unwrap().unwrap(), b"x");
}
