//! Memory of large vectors that is used again: a fresh page costs as much as the values written to it.

use arrow_buffer::{ArrowNativeType, Buffer};

/// Vectors given back, as buffers. One that is still lent to an array is passed over.
#[derive(Default)]
pub(super) struct Pool {
    buffers: Vec<Buffer>,
}

impl Pool {
    /// Gives a vector that was given back, whatever it holds, or a new one.
    pub(super) fn take<T: ArrowNativeType>(&mut self) -> Vec<T> {
        for index in 0..self.buffers.len() {
            match self.buffers.swap_remove(index).into_vec::<T>() {
                Ok(values) => return values,
                Err(buffer) => {
                    // Of other values or still in use: back to its place.
                    self.buffers.push(buffer);
                    let last = self.buffers.len() - 1;
                    self.buffers.swap(index, last);
                }
            }
        }
        Vec::new()
    }

    /// Gives a vector that was given back if it has room for `count` values, or a new one.
    pub(super) fn take_of<T: ArrowNativeType>(&mut self, count: usize) -> Vec<T> {
        let bytes = count * size_of::<T>();
        let others = |buffer: &Buffer| buffer.capacity() < bytes;
        // Small ones are set aside, so that none of them is grown by copying.
        let (mut small, large): (Vec<Buffer>, Vec<Buffer>) = std::mem::take(&mut self.buffers)
            .into_iter()
            .partition(others);
        self.buffers = large;
        let taken = self.take();
        self.buffers.append(&mut small);
        taken
    }

    /// Gives an empty vector with room, if one was given back.
    pub(super) fn empty<T: ArrowNativeType>(&mut self) -> Vec<T> {
        let mut values = self.take();
        values.clear();
        values
    }

    /// Takes a vector back.
    pub(super) fn give<T: ArrowNativeType>(&mut self, values: Vec<T>) {
        self.keep(Buffer::from_vec(values));
    }

    /// Takes a vector back that an array may read until it is dropped.
    pub(super) fn lend<T: ArrowNativeType>(&mut self, values: Vec<T>) -> Buffer {
        let buffer = Buffer::from_vec(values);
        self.keep(buffer.clone());
        buffer
    }

    /// Takes a buffer back that arrays may read until they are dropped.
    pub(super) fn keep(&mut self, buffer: Buffer) {
        if buffer.capacity() > 0 {
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_nobody_reads_it() {
        let mut pool = Pool::default();
        let lent = pool.lend(vec![1_i64, 2, 3]);
        let address = lent.as_ptr();
        assert!(pool.take::<i64>().is_empty(), "it is still read");
        pool.give(vec![7_i32]);
        drop(lent);
        let back = pool.take::<i64>();
        assert_eq!(back.as_ptr().cast::<u8>(), address);
        assert_eq!(back, [1, 2, 3]);
        assert_eq!(pool.empty::<i32>().capacity(), 1);
        assert!(pool.take::<i32>().is_empty());
    }
}
