//! What holds for any line, checked on many changed statements; the same ones on each run.

mod common;

use pcrs_statements::classify::classify;
use pcrs_statements::{Line, Merger, SourceKind, parse_line};

#[test]
fn changed_lines_keep_the_promises() {
    let seeds = common::seeds();
    let mut random = common::Random::new(1);
    let mut taken = 0;
    for i in 0..60_000 {
        let line = common::mutate(&mut random, seeds[i % seeds.len()], &seeds);
        let Line::Statement { text, .. } = parse_line(&line) else {
            continue;
        };
        taken += 1;
        assert!(
            text.starts_with("precompile(") && text.ends_with(')'),
            "{line:?}"
        );
        let again = parse_line(&*text);
        assert!(
            matches!(&again, Line::Statement { text: t, .. } if *t == text),
            "{line:?} became {text:?}, and that {again:?}"
        );
        let _ = classify(&text, (1, 11));
    }
    assert!(taken > 1000, "only {taken} lines were taken");
}

#[test]
fn changed_bytes_do_no_harm() {
    let seeds = common::seeds();
    let mut random = common::Random::new(2);
    let mut source = Vec::new();
    for i in 0..20_000 {
        let mut line = seeds[i % seeds.len()].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(line.len());
            line[at] = random.below(256) as u8;
        }
        let _ = parse_line(&line);
        source.extend_from_slice(&line);
        source.push(b'\n');
    }
    for kind in [SourceKind::Trace, SourceKind::StatementFile] {
        let mut merger = Merger::new();
        merger.add_reader(kind, &source[..]).unwrap();
        let merged = merger.finish();
        let found: u64 = merged.statements.iter().map(|s| u64::from(s.times)).sum();
        assert_eq!(found, merged.statements.len() as u64 + merged.duplicates);
        assert!(merged.lines + 1 >= found + merged.rejected_total + merged.scaffold);
    }
}
