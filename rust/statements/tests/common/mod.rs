//! Lines made by changing good ones, the same ones on each run.

#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod calls;

/// A small generator of pseudo-random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % bound
    }
}

/// Good lines that hold a bit of each form.
pub fn seeds() -> Vec<&'static str> {
    include_str!("../seeds.txt").lines().collect()
}

/// Pieces of Julia's syntax, most of them out of place wherever they are put.
const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    " ",
    "  ",
    "\t",
    ";",
    ":",
    "::",
    "=",
    "==",
    "=>",
    "->",
    "...",
    "..",
    ".",
    "'",
    "''",
    "\"",
    "\"\"\"",
    "\\",
    "`",
    "#",
    "#=",
    "=#",
    "$",
    "@",
    "!",
    "!=",
    "<:",
    ">:",
    "<",
    ">",
    "-",
    "+",
    "*",
    "&&",
    "||",
    "&",
    "|",
    "~",
    "?",
    "%",
    "^",
    "/",
    "//",
    "where",
    " where ",
    " in ",
    " isa ",
    "in",
    "isa",
    "end",
    "begin",
    "do",
    "for",
    "if",
    "var\"",
    "var\"#1#2\"",
    ":(",
    ":(+)",
    ":a",
    ":end",
    "'a'",
    "'\\n'",
    "'\\u00e9'",
    "'\\xff'",
    "\"a\"",
    "\"$a\"",
    "\"$(a)\"",
    "\"\\$\"",
    "r\"a\"",
    "1",
    "0x1f",
    "1.5",
    "1e3",
    "1e400",
    "1f0",
    "0b1",
    "2x",
    "-1",
    "a",
    "a!",
    "a.b",
    "A{B}",
    "f(x)",
    "f(x=1)",
    "(a=1,)",
    "(a=1)",
    "(;a)",
    "∘",
    "∇",
    "÷",
    "λ",
    "→",
    "\u{a0}",
    "\u{301}",
    "\u{2028}",
    "\u{feff}",
    "\u{200b}",
    "😀",
    "⊕",
    "≤",
    "′",
    "₁",
    "⁺",
    "·",
    "×",
    "precompile",
    "precompile(",
    "Base.",
    "Main.",
    "evil()",
    "\r",
    "\u{1b}[0m",
    "\u{0}",
    "@NamedTuple{",
    "@Kwargs{a::Int}",
    "true",
    "nothing",
    "Inf",
    "_",
    "isdefined(A, :b) && ",
];

/// Ends lines of `text` in one to six places, mostly where a line may end.
pub fn break_lines(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(6) {
        let mut at = random.below(chars.len() + 1);
        if random.below(8) > 0 {
            let fits = |c: &char| "([{,".contains(*c);
            at += chars[at..].iter().position(fits).map_or(0, |n| n + 1);
        }
        let end = ["\n", "\n\n", " \n\t", "# ) \"\n", "#= ( \n =#"][random.below(5)];
        chars.splice(at..at, end.chars());
    }
    chars.into_iter().collect()
}

/// Changes `line` in one to four places.
pub fn mutate(random: &mut Random, line: &str, others: &[&str]) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        let span = random.below(6).min(chars.len() - at);
        match random.below(7) {
            0 => drop(chars.drain(at..at + span)),
            1 => {
                let copied: Vec<char> = chars[at..at + span].to_vec();
                let to = random.below(chars.len() + 1);
                chars.splice(to..to, copied);
            }
            2 => {
                let other: Vec<char> = others[random.below(others.len())].chars().collect();
                let from = random.below(other.len());
                let to = (from + random.below(20)).min(other.len());
                chars.splice(at..at, other[from..to].iter().copied());
            }
            3 => {
                let piece = PIECES[random.below(PIECES.len())];
                chars.splice(at..at + span.min(1), piece.chars());
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}
