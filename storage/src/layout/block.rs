//! The bytes of a block: a 64-byte header, then null bitmap and up to three sections, each at a
//! multiple of 64 bytes so that plain values can be used where they lie.
//!
//! ```text
//!  0  magic "BSBK"      4  version u16     6  encoding u8    7  physical kind u8
//!  8  rows u32         12  nulls u8 (0 none, 1 all, 2 bitmap)   13  three zero bytes
//! 16  base i128        32  section bytes u64 x 3            56  parameter u64
//! 64  [validity bitmap, (rows + 7) / 8 bytes]  [section a]  [section b]  [section c]
//! ```

/// What every block begins with.
pub const MAGIC: [u8; 4] = *b"BSBK";
/// The version this server writes, and the last it reads.
pub const VERSION: u16 = 1;
/// Header size, and the alignment of everything in a block.
pub const ALIGN: usize = 64;

/// How a block keeps its nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullKind {
    /// No null in it.
    None = 0,
    /// Nothing but nulls.
    All = 1,
    /// A validity bitmap, bit set where there is a value.
    Bitmap = 2,
}

/// The header of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockHeader {
    /// Which encoding, see `encoding::Tag`.
    pub encoding: u8,
    /// Which physical kind, see `encoding::Kind`.
    pub kind: u8,
    /// Rows in the block.
    pub rows: u32,
    /// How nulls are kept.
    pub nulls: NullKind,
    /// Added to every 64-bit value of a decimal; the value itself in a constant block.
    pub base: i128,
    /// Bytes of each section.
    pub sections: [u64; 3],
    /// The encoding's own parameter.
    pub parameter: u64,
}

/// Where things lie in a block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockParts {
    /// The header.
    pub header: BlockHeader,
    /// Offset of the validity bitmap; meaningless without one.
    pub validity: usize,
    /// Begin and length of each section.
    pub sections: [(usize, usize); 3],
}

/// Rounds up to the alignment.
pub fn padded(bytes: usize) -> usize {
    bytes.div_ceil(ALIGN) * ALIGN
}

/// Writes a block; its length is a multiple of 64.
pub fn write(header: &BlockHeader, validity: &[u8], sections: [&[u8]; 3]) -> Vec<u8> {
    let total =
        ALIGN + padded(validity.len()) + sections.iter().map(|s| padded(s.len())).sum::<usize>();
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.push(header.encoding);
    out.push(header.kind);
    out.extend_from_slice(&header.rows.to_le_bytes());
    out.extend_from_slice(&[header.nulls as u8, 0, 0, 0]);
    out.extend_from_slice(&header.base.to_le_bytes());
    for section in &sections {
        out.extend_from_slice(&(section.len() as u64).to_le_bytes());
    }
    out.extend_from_slice(&header.parameter.to_le_bytes());
    for part in [validity, sections[0], sections[1], sections[2]] {
        out.extend_from_slice(part);
        out.resize(padded(out.len()), 0);
    }
    out
}

/// Finds the parts of a block, or says what does not hold. The checksum was verified before.
pub fn read(bytes: &[u8]) -> Result<BlockParts, String> {
    let head: &[u8; ALIGN] = bytes
        .first_chunk()
        .ok_or_else(|| format!("{} bytes are too few for a block", bytes.len()))?;
    if head[..4] != MAGIC {
        return Err("it does not begin like a block".into());
    }
    let version = u16::from_le_bytes([head[4], head[5]]);
    if version != VERSION {
        return Err(format!(
            "block version {version} in a row group of version {}",
            super::row_group::VERSION
        ));
    }
    let u64_at = |at: usize| {
        let mut raw = [0; 8];
        raw.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(raw)
    };
    let mut base = [0; 16];
    base.copy_from_slice(&head[16..32]);
    let nulls = match head[12] {
        0 => NullKind::None,
        1 => NullKind::All,
        2 => NullKind::Bitmap,
        other => return Err(format!("unknown null kind {other}")),
    };
    let header = BlockHeader {
        encoding: head[6],
        kind: head[7],
        rows: u32::from_le_bytes([head[8], head[9], head[10], head[11]]),
        nulls,
        base: i128::from_le_bytes(base),
        sections: [u64_at(32), u64_at(40), u64_at(48)],
        parameter: u64_at(56),
    };
    let bitmap = if nulls == NullKind::Bitmap {
        (header.rows as usize).div_ceil(8)
    } else {
        0
    };
    let mut at = ALIGN + padded(bitmap);
    let mut sections = [(0, 0); 3];
    for (section, length) in sections.iter_mut().zip(header.sections) {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= bytes.len());
        let length = length.ok_or("a section is longer than the block")?;
        *section = (at, length);
        at += padded(length);
    }
    if at != bytes.len() {
        return Err(format!("its parts take {at} bytes of {}", bytes.len()));
    }
    Ok(BlockParts {
        header,
        validity: ALIGN,
        sections,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_block_are_fixed() {
        let header = BlockHeader {
            encoding: 1,
            kind: 2,
            rows: 9,
            nulls: NullKind::Bitmap,
            base: -2,
            sections: [3, 0, 1],
            parameter: 0x0102,
        };
        let bytes = write(&header, &[0xFF, 0x01], [&[7, 8, 9], &[], &[5]]);
        let mut golden = Vec::new();
        golden.extend_from_slice(b"BSBK\x01\x00\x01\x02\x09\0\0\0\x02\0\0\0");
        golden.extend_from_slice(&[0xFE]);
        golden.extend_from_slice(&[0xFF; 15]);
        golden.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[0xFF, 0x01]);
        golden.resize(128, 0);
        golden.extend_from_slice(&[7, 8, 9]);
        golden.resize(192, 0);
        golden.push(5);
        golden.resize(256, 0);
        assert_eq!(bytes, golden);
        let parts = read(&bytes).unwrap();
        assert_eq!(parts.header, header);
        assert_eq!(parts.sections, [(128, 3), (192, 0), (192, 1)]);
        assert!(read(&bytes[..192]).is_err());
    }
}
