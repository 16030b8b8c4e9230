//! Blocks that are small and claim much. Each of these was found by fuzzing or by reading for it.

use super::super::block::{BlockReader, TABLE_ENTRIES_MAX, VALUES_MAX};
use super::*;

fn number(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A block of one exchange: these columns beside those that it needs.
fn block(columns: &[(usize, Vec<u8>)]) -> Result<BlockReader, String> {
    let template = b"\x12GET / HTTP/1.1\r\n\r\n\0".to_vec();
    let mut all: Vec<(usize, Vec<u8>)> = vec![
        (1, vec![3, 0, 0, 0, 0, 0, 0, 0, 0]),
        (2, vec![0]),
        (4, template),
        (17, vec![1]),
        (18, vec![2]),
        (64, vec![1]),
    ];
    for (id, bytes) in columns {
        all.retain(|(known, _)| known != id);
        all.push((*id, bytes.clone()));
    }
    all.sort();
    let column = |(id, bytes): &(usize, Vec<u8>)| [number(*id), number(bytes.len()), bytes.clone()].concat();
    BlockReader::new(&Bytes::from(all.iter().flat_map(column).collect::<Vec<u8>>()), 0)
}

fn check(columns: &[(usize, Vec<u8>)], expected: &str) {
    let exchange = block(columns).and_then(|mut block| block.take(0));
    assert!(exchange.as_ref().is_err_and(|why| why.contains(expected)), "{exchange:.200?}");
}

#[test]
fn a_block_without_anything_odd_is_read() {
    assert_eq!(block(&[]).unwrap().take(0).unwrap().request.head, "GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn a_long_name_of_a_coding_is_not_repeated_for_ever() {
    let name = [number(1 << 20), vec![b'a'; 1 << 20]].concat();
    check(&[(3, name), (76, number(65_536 + 1))], "an exchange is longer than 67108864 bytes");
}

#[test]
fn a_long_informational_head_is_not_repeated_for_ever() {
    let template = [number(1 << 20), vec![b'a'; 1 << 20], vec![0]].concat();
    check(&[(4, template), (30, number(100)), (31, vec![1; 100])], "an exchange is longer than 67108864 bytes");
}

#[test]
fn the_largest_number_of_a_column_is_one_like_any_other() {
    // Found by the target session_block: the number after it was computed.
    let column = [vec![0xff; 9], vec![1, 2, 0, 0]].concat();
    assert!(BlockReader::new(&Bytes::from(column.clone()), 0).is_ok());
    let twice = BlockReader::new(&Bytes::from(column.repeat(2)), 0).err();
    assert!(twice.is_some_and(|why| why.contains("out of order")));
}

#[test]
fn a_number_of_a_value_column_takes_no_memory() {
    // Before it was found this took 100 bytes for each number below, 13 GB for a block of zeros that compresses to 12 KiB.
    let far = 256 + (1 << 40);
    let template = [b"\x04GET ".to_vec(), number(2 + (1 << 40)), vec![0, 0]].concat();
    let value = vec![1, 1, 1, 2, b'/', b'a'];
    let read = block(&[(4, template.clone()), (far, value)]).and_then(|mut block| {
        let exchange = block.take(0)?;
        block.check_rest()?;
        Ok(exchange.request.head)
    });
    assert_eq!(read, Ok(Bytes::from_static(b"GET /a")));
    check(&[(4, template)], "value column 1099511627776 has no such value");
}

#[test]
fn tables_have_no_more_entries_than_they_may() {
    // Each takes one byte of a file, and forty of memory.
    for (table, what) in [(2, "connections"), (3, "strings"), (5, "bodies")] {
        let entries = |count: usize| block(&[(table, vec![0; count])]).err();
        assert_eq!(entries(TABLE_ENTRIES_MAX), None, "{what}");
        assert!(entries(TABLE_ENTRIES_MAX + 1).is_some_and(|why| why.contains(what)), "{what}");
    }
    // A template of nothing is two bytes.
    let templates = |count: usize| block(&[(4, vec![0; count * 2])]).err();
    assert_eq!(templates(TABLE_ENTRIES_MAX), None);
    assert!(templates(TABLE_ENTRIES_MAX + 1).is_some_and(|why| why.contains("templates")));
    let values = |count: usize| block(&[(300, [vec![0], number(count), vec![0; count]].concat())]).err();
    assert_eq!(values(VALUES_MAX - 8), None);
    assert!(values(VALUES_MAX - 7).is_some_and(|why| why.contains("values")));
    assert!(values(VALUES_MAX + 1).is_some());
}
