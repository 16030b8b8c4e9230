//! Blocks that are small and claim much. Each of these was found by fuzzing or by reading for it.

use super::super::block::{BODIES_BYTES_MAX, BlockReader, REFERENCES_MAX, TABLE_ENTRIES_MAX, VALUES_MAX};
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
fn bodies_of_a_template_take_no_more_memory_together_than_they_may() {
    // A mebibyte that is stored once, and asked for with two bytes.
    let template = [number(1 << 20), vec![b'a'; 1 << 20], vec![0]].concat();
    let bodies = |count: usize, more: usize| {
        let mut lens = number(2 << 20).repeat(count);
        lens.extend(number(2 * more));
        let templates = [vec![1; count], vec![0]].concat();
        block(&[(4, template.clone()), (5, lens), (6, vec![b'b'; more]), (8, templates)]).err()
    };
    assert_eq!(bodies((BODIES_BYTES_MAX >> 20) - 1, 1 << 20), None);
    assert!(bodies((BODIES_BYTES_MAX >> 20) - 1, (1 << 20) + 1).is_some_and(|why| why.contains("bodies")));
}

#[test]
fn a_body_ends_where_its_parts_do() {
    let body = |template: &[u8], len: usize, parts: Vec<u8>| {
        let read = block(&[(4, template.to_vec()), (5, number(2 * len)), (8, parts), (66, vec![1])]);
        read.and_then(|mut block| Ok(block.take(0)?.request.body.bytes))
    };
    let text = b"\x03abc\0";
    let head = b"\0\0";
    let both = [&head[..], text].concat();
    assert_eq!(body(&both, 6, vec![2, 2]), Ok(Bytes::from_static(b"abcabc")));
    for (len, parts) in [(6, vec![2]), (6, vec![2, 0, 2]), (5, vec![2, 2]), (2, vec![2]), (7, vec![2, 2, 0])] {
        assert!(body(&both, len, parts.clone()).is_err_and(|why| why.contains("bodies")), "{len} {parts:?}");
    }
    // What makes nothing goes on as long as there are numbers.
    let nothing = body(&both, 3, [vec![1; 1 << 20], vec![2]].concat());
    assert_eq!(nothing, Ok(Bytes::from_static(b"abc")));
    assert!(body(&both, 3, vec![1; 1 << 20]).is_err());
    assert_eq!(body(&both, 0, vec![1]), Ok(Bytes::new()));
}

#[test]
fn bodies_ask_a_column_that_they_share_before_any_client_does() {
    let template = b"\x00\x02\x00\x00".to_vec();
    // A new value and that again for two bodies, and for a head the second that is new.
    let values = b"\x03\x01\x00\x01\x02\x01\x01bh".to_vec();
    let columns = [(4, template), (5, vec![2, 2]), (8, vec![1, 1]), (66, vec![4]), (256, values)];
    let exchange = block(&columns).unwrap().take(0).unwrap();
    assert_eq!((&exchange.request.head[..], &exchange.request.body.bytes[..]), (&b"h"[..], &b"b"[..]));
    // What bodies asked last is nobody's latest.
    let again = b"\x03\x01\x00\x00\x02\x01\x01bh".to_vec();
    check(&[&columns[..4], &[(256, again)]].concat(), "value column 0 has no such value");
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

#[test]
fn the_last_of_many_clients_takes_no_room_in_each_of_many_columns() {
    // Before it was found by reading this took 800 KB for each column, 16 GB, for a block that compresses to some kilobytes.
    let (clients, columns) = (200_000, 20_000);
    let table: Vec<u8> = (0..clients).flat_map(|_| [3, 0, 0, 0, 0, 0, 0, 0, 0]).collect();
    let holes: Vec<u8> = (0..columns).flat_map(|column| [vec![0], number(2 + column)].concat()).collect();
    let mut all = vec![(1, table), (4, [holes, vec![0, 0]].concat()), (17, number(clients))];
    all.extend((0..columns).map(|column| (256 + column, vec![1, 1, 1, 1, b'a'])));
    assert_eq!(block(&all).unwrap().take(0).unwrap().request.head.len(), columns);
}

#[test]
fn values_are_referred_to_no_more_often_than_they_may_be() {
    // Before it was found by reading a file of 12 KB took 1.6 GB: 400,000 clients, and 1,024 columns in each of which one in
    // sixteen of them had a value of its own, the same one.
    let columns = 1_024;
    let exchanges = REFERENCES_MAX / columns;
    let holes: Vec<u8> = (0..columns).flat_map(|column| [vec![0], number(2 + column)].concat()).collect();
    // First the new value, then that one again.
    let references = [vec![1], vec![2; exchanges]].concat();
    let column = [number(references.len()), references, vec![1, 1, b'a']].concat();
    let again = |first: u8| [vec![first], vec![0; exchanges]].concat();
    let mut all = vec![(4, [holes, vec![0, 0]].concat()), (17, again(1)), (18, vec![2; exchanges + 1]), (64, again(1))];
    all.extend((0..columns).map(|number| (256 + number, column.clone())));
    let mut read = block(&all).unwrap();
    for _ in 0..exchanges {
        assert_eq!(read.take(0).unwrap().request.head.len(), columns);
    }
    let more = read.take(0);
    assert!(more.as_ref().is_err_and(|why| why.contains("more than 33554432 references")), "{more:.200?}");
}

#[test]
fn references_to_a_latest_value_are_not_counted() {
    // They take no memory, and a busy session has more of them than of all others.
    let exchanges = REFERENCES_MAX / 1_024;
    let holes: Vec<u8> = (0..1_025).flat_map(|_| vec![0, 2]).collect();
    let references = [vec![1], vec![0; exchanges * 1_025 - 1]].concat();
    let column = [number(references.len()), references, vec![1, 1, b'a']].concat();
    let again = [vec![1], vec![0; exchanges - 1]].concat();
    let all =
        [(4, [holes, vec![0, 0]].concat()), (17, again.clone()), (18, vec![2; exchanges]), (64, again), (256, column)];
    let mut read = block(&all).unwrap();
    assert!((0..exchanges).all(|_| read.take(0).is_ok()));
    assert_eq!(read.check_rest(), Ok(()));
}
