//! The header of a batch of records. <https://kafka.apache.org/documentation/#recordbatch>

use super::cursor::Cursor;
use crate::message::Producer;

/// The producer of the first batch, if it is idempotent. Since version 3 a Produce request holds one batch a partition.
pub(super) fn producer(records: &[u8]) -> Option<Producer> {
    let mut cursor = Cursor::new(records);
    // First offset, length, epoch of the leader.
    cursor.skip(8 + 4 + 4)?;
    let [magic, ..] = records.get(16..)? else { return None };
    if *magic != 2 {
        return None;
    }
    // Magic number, checksum.
    cursor.skip(1 + 4)?;
    let attributes = cursor.int16()?;
    // Offset of the last record, times of the first and the latest.
    cursor.skip(4 + 8 + 8)?;
    let (id, epoch, sequence) = (cursor.int64()?, cursor.int16()?, cursor.int32()?);
    (id >= 0).then_some(Producer { id, epoch, sequence, is_transactional: attributes & 0x10 != 0 })
}
