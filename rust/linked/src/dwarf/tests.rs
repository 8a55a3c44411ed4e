use super::*;

/// A unit of this version of DWARF with these entries, whose abbreviations are the first.
fn unit(version: u16, entries: &[u8]) -> Vec<u8> {
    let mut unit = u32::try_from(entries.len() + 7)
        .unwrap()
        .to_le_bytes()
        .to_vec();
    unit.extend(version.to_le_bytes());
    unit.extend([0, 0, 0, 0, 8]);
    unit.extend(entries);
    unit
}

fn fix(section: Section, offset: u64, value: Value) -> Fix {
    Fix {
        section,
        offset,
        value,
    }
}

#[test]
fn addresses_and_offsets_of_entries() {
    // 1: low_pc, name in .debug_str, 4 bytes, ranges, location expression
    let abbrev = [
        1, 0x11, 0, 0x11, 0x01, 0x03, 0x0e, 0x12, 0x06, 0x55, 0x17, 0x02, 0x18, 0, 0, 0,
    ];
    let mut entries = vec![1];
    entries.extend(0x1000u64.to_le_bytes());
    entries.extend(7u32.to_le_bytes());
    entries.extend([9, 9, 9, 9]);
    entries.extend(0u32.to_le_bytes());
    entries.extend([11, 0x06, 0x03]);
    entries.extend(0x2000u64.to_le_bytes());
    entries.extend([0x9f]);
    let info = unit(4, &entries);
    // relative to the unit's lowest address, then to another
    let ranges: Vec<u8> = [0x10u64, 0x20, u64::MAX, 0x3000, 0x1, 0x2, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let sections = Sections {
        info: &info,
        abbrev: &abbrev,
        str: &[0; 16],
        ranges: &ranges,
        ..Sections::default()
    };
    use Section::{Abbrev, Info, Ranges, Str};
    assert_eq!(
        fixes(&sections).unwrap(),
        [
            fix(Info, 6, Value::Offset(Abbrev, 0)),
            fix(Info, 12, Value::Address(0x1000)),
            fix(Info, 20, Value::Offset(Str, 7)),
            fix(Info, 28, Value::Offset(Ranges, 0)),
            fix(Info, 35, Value::Address(0x2000)),
            fix(Ranges, 24, Value::Address(0x3000)),
        ]
    );
}

#[test]
fn absolute_lists_of_locations() {
    let abbrev = [1, 0x11, 0, 0x02, 0x17, 0, 0, 0];
    let info = unit(4, &[1, 0, 0, 0, 0]);
    let mut loc: Vec<u8> = [0x10u64, 0x20]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    loc.extend([2, 0, 0x30, 0x9f]);
    // the mark of a function that was left out
    loc.extend([1u64, 1].iter().flat_map(|word| word.to_le_bytes()));
    loc.extend([0, 0]);
    loc.extend([0; 16]);
    let sections = Sections {
        info: &info,
        abbrev: &abbrev,
        loc: &loc,
        ..Sections::default()
    };
    let found = fixes(&sections).unwrap();
    assert_eq!(
        found[2..],
        [
            fix(Section::Loc, 0, Value::Address(0x10)),
            fix(Section::Loc, 8, Value::Address(0x20))
        ]
    );
}

#[test]
fn rows_of_line_tables() {
    let mut program = vec![0, 9, 2];
    program.extend(0x4000u64.to_le_bytes());
    program.extend([3, 0x80, 1, 0x13, 9, 1, 2, 0, 1, 1]);
    let mut table = vec![4, 0];
    let lengths = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    let mut header = vec![1, 1, 1, 0xfb, 14, 13];
    header.extend(lengths);
    header.extend([0, 0]);
    table.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    table.extend(&header);
    let start = table.len() as u64 + 4;
    table.extend(program);
    let mut line = u32::try_from(table.len()).unwrap().to_le_bytes().to_vec();
    line.extend(table);
    let sections = Sections {
        line: &line,
        ..Sections::default()
    };
    assert_eq!(
        fixes(&sections).unwrap(),
        [fix(Section::Line, start + 3, Value::Address(0x4000))]
    );
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |version, abbrev: &[u8], entries: &[u8]| {
        let info = unit(version, entries);
        fixes(&Sections {
            info: &info,
            abbrev,
            ..Sections::default()
        })
        .unwrap_err()
        .to_string()
    };
    assert!(refused(5, &[], &[]).contains("DWARF 5"));
    assert!(refused(4, &[1, 0x11, 0, 3, 0x1f, 0, 0, 0], &[1]).contains("0x1f"));
    assert!(refused(4, &[1, 0x11, 0, 2, 0x18, 0, 0, 0], &[1, 1, 0xe0]).contains("0xe0"));
    assert!(refused(4, &[1, 0x11, 0, 0x43, 0x17, 0, 0, 0], &[1, 0, 0, 0, 0]).contains("0x43"));
    assert!(refused(4, &[0], &[1]).contains("not there (1)"));
    assert!(refused(4, &[1, 0x11, 0, 3, 0x0e, 0, 0, 0], &[1, 1, 0, 0, 0]).contains(".debug_str"));
    assert!(refused(4, &[1, 0x11, 0, 3, 0x08, 0, 0, 0], &[1, 0x41]).contains("cut off"));
}
