//! Torn tails, flipped bits, failed writes.

use super::*;
use crate::io::{Fault, Faulty, Memory};

fn log_with(batches: &[&str]) -> Arc<Memory> {
    let io = Arc::new(Memory::default());
    let mut log = CommitLog::create(io.clone()).unwrap();
    for batch in batches {
        log.append(batch.as_bytes()).unwrap();
    }
    io
}

fn texts(recovered: &Recovered) -> Vec<String> {
    recovered
        .batches
        .iter()
        .map(|batch| String::from_utf8(batch.clone()).unwrap())
        .collect()
}

#[test]
fn golden_bytes_of_a_log_and_a_checkpoint() {
    let io = log_with(&[]);
    let mut log = CommitLog::open(io.clone()).unwrap().log;
    log.checkpoint(b"{\"version\":1}").unwrap();
    assert_eq!(io.files(), [name::checkpoint(2), name::segment(2)]);
    let bytes = io.read(&name::checkpoint(2)).unwrap().unwrap();
    assert_eq!(
        bytes,
        frame::encode(Kind::Checkpoint, b"{\"version\":1}").unwrap()
    );
    assert_eq!(bytes[..7], [13, 0, 0, 0, 3, 3, 0]);
    let bytes = io.read(&name::segment(2)).unwrap().unwrap();
    assert_eq!(
        bytes,
        frame::encode(Kind::Segment, b"{\"segment\":2}").unwrap()
    );
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let path = name::segment(1);
    let io = log_with(&["{\"a\":1}", "{\"b\":2}"]);
    let start = io.read(&path).unwrap().unwrap().len();
    let mut log = CommitLog::open(io.clone()).unwrap().log;
    log.append(b"{\"c\":3}").unwrap();
    let whole = io.read(&path).unwrap().unwrap();
    for cut in start..whole.len() {
        io.overwrite(&path, whole[..cut].to_vec());
        let mut recovered = CommitLog::open(io.clone()).unwrap();
        assert_eq!(
            texts(&recovered),
            ["{\"a\":1}", "{\"b\":2}"],
            "cut at {cut}"
        );
        recovered.log.append(b"{\"d\":4}").unwrap();
        let again = CommitLog::open(io.clone()).unwrap();
        assert_eq!(
            texts(&again),
            ["{\"a\":1}", "{\"b\":2}", "{\"d\":4}"],
            "cut at {cut}"
        );
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let path = name::segment(1);
    let io = log_with(&["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    let whole = io.read(&path).unwrap().unwrap();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        io.overwrite(&path, damaged);
        let error = CommitLog::open(io.clone()).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { .. } | Error::Version { .. }),
            "bit {bit}"
        );
    }
}

#[test]
fn a_missing_segment_or_checkpoint_is_refused() {
    let io = log_with(&["{\"a\":1}"]);
    let mut log = CommitLog::open(io.clone()).unwrap().log;
    log.checkpoint(b"{}").unwrap();
    let fork = io.fork();
    fork.remove(&name::segment(2)).unwrap();
    let error = CommitLog::open(Arc::new(fork)).unwrap_err().to_string();
    assert!(error.contains("this segment is missing"), "{error}");
    let fork = io.fork();
    fork.remove(&name::checkpoint(2)).unwrap();
    assert!(CommitLog::open(Arc::new(fork)).is_err());
    let fork = io.fork();
    fork.overwrite(&name::checkpoint(2), b"rubbish".to_vec());
    assert!(CommitLog::open(Arc::new(fork)).is_err());
}

#[test]
fn a_full_device_refuses_one_batch_and_a_failed_sync_stops_the_log() {
    // Steps: remove, create, sync of the directory, then append and sync per batch.
    for (fault, lives) in [(Fault::Full, true), (Fault::Fail, false)] {
        let io = Arc::new(Memory::default());
        let faulty = Arc::new(Faulty::new(io.clone(), 5, fault));
        let mut log = CommitLog::create(faulty).unwrap();
        log.append(b"{\"a\":1}").unwrap();
        let refused = log.append(b"{\"b\":2}").unwrap_err();
        assert_eq!(matches!(refused, Error::DiskFull { .. }), lives);
        let next = log.append(b"{\"c\":3}");
        assert_eq!(next.is_ok(), lives);
        assert_eq!(log.stopped(), !lives);
        let texts = texts(&CommitLog::open(io).unwrap());
        assert_eq!(texts.len(), if lives { 2 } else { 1 });
    }
    let faulty = Faulty::new(Arc::new(Memory::default()), 6, Fault::Full);
    let mut log = CommitLog::create(Arc::new(faulty)).unwrap();
    log.append(b"{\"a\":1}").unwrap();
    assert!(
        matches!(log.append(b"{\"b\":2}"), Err(Error::LogStopped)),
        "a sync is never retried"
    );
    assert!(matches!(log.append(b"{\"b\":2}"), Err(Error::LogStopped)));
}

#[test]
fn a_commit_of_which_any_sectors_were_not_written_is_cut() {
    const SECTOR: usize = 512;
    let path = name::segment(1);
    let payload = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    // The last commit begins at any place of a sector, and lies in up to four.
    for first in 0..SECTOR {
        let io = log_with(&[&payload(first)]);
        let old = io.read(&path).unwrap().unwrap();
        let mut log = CommitLog::open(io.clone()).unwrap().log;
        log.append(payload(1_100).as_bytes()).unwrap();
        let new = io.read(&path).unwrap().unwrap();
        let sectors = old.len() / SECTOR..new.len().div_ceil(SECTOR);
        let all = (1_u32 << sectors.len()) - 1;
        for written in 0..=all {
            let mut bytes = old.clone();
            bytes.resize(new.len(), 0);
            for (bit, sector) in sectors.clone().enumerate() {
                if written >> bit & 1 == 1 {
                    let end = new.len().min((sector + 1) * SECTOR);
                    bytes[sector * SECTOR..end].copy_from_slice(&new[sector * SECTOR..end]);
                }
            }
            let is_whole = bytes == new;
            io.overwrite(&path, bytes);
            let recovered = CommitLog::open(io.clone())
                .unwrap_or_else(|error| panic!("first {first}, written {written:b}: {error}"));
            let count = recovered.batches.len();
            assert_eq!(
                count,
                1 + usize::from(is_whole),
                "first {first}, written {written:b}"
            );
        }
    }
}
