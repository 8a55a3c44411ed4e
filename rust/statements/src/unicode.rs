//! Which characters Julia takes for names and operators.
//!
//! Follows the rules of Julia's own tokenizer, which go by general category plus some symbols.

use unicode_general_category::{GeneralCategory as Cat, get_general_category};

/// Whether a character above ASCII may start a name.
pub(crate) fn starts_name(c: char) -> bool {
    let w = c as u32;
    match get_general_category(c) {
        Cat::UppercaseLetter
        | Cat::LowercaseLetter
        | Cat::TitlecaseLetter
        | Cat::ModifierLetter
        | Cat::OtherLetter
        | Cat::LetterNumber
        | Cat::CurrencySymbol => true,
        Cat::OtherSymbol => !matches!(w, 0x2190..=0x21FF | 0xFFFC | 0xFFFD | 0x233F | 0x00A6),
        _ => named_symbol(w),
    }
}

/// Whether a character above ASCII may go on with a name.
pub(crate) fn continues_name(c: char) -> bool {
    starts_name(c)
        || matches!(c as u32, 0x2032..=0x2037 | 0x2057)
        || matches!(
            get_general_category(c),
            Cat::DecimalNumber
                | Cat::OtherNumber
                | Cat::ConnectorPunctuation
                | Cat::NonspacingMark
                | Cat::SpacingMark
                | Cat::EnclosingMark
                | Cat::ModifierSymbol
        )
}

/// Whether a character above ASCII is taken for an operator where one stands alone, as in
/// `typeof(∘)` or `Base.:(÷)`.
pub(crate) fn is_operator(c: char) -> bool {
    matches!(c as u32, 0x00D7 | 0x00F7 | 0x00AC | 0x221A..=0x221C)
        || (matches!(c as u32, 0x2190..=0x22FF | 0x27C2..=0x2AFF | 0x2B30..=0x2B4C)
            && get_general_category(c) == Cat::MathSymbol
            && !named_symbol(c as u32))
        || matches!(c as u32, 0x2190..=0x21FF)
}

/// Whether a character above ASCII, right after an operator, is read as part of it: `+₁`, `-′`.
pub(crate) fn sticks_to_operator(c: char) -> bool {
    is_operator(c)
        || matches!(
            c as u32,
            0x2032..=0x2037 | 0x2057 | 0x207A..=0x207E | 0x208A..=0x208E
        )
        || matches!(
            get_general_category(c),
            Cat::ModifierLetter
                | Cat::OtherNumber
                | Cat::NonspacingMark
                | Cat::SpacingMark
                | Cat::EnclosingMark
        )
}

/// Mathematical symbols that are letters to Julia: ∇, ∂, ∑, ∫ and the like.
fn named_symbol(w: u32) -> bool {
    matches!(
        w,
        0x2140..=0x2144
            | 0x223F
            | 0x22BE
            | 0x22BF
            | 0x22A4
            | 0x22A5
            | 0x2202
            | 0x2205..=0x2207
            | 0x220E..=0x2211
            | 0x221E
            | 0x221F
            | 0x222B..=0x2233
            | 0x22C0..=0x22C3
            | 0x25F8..=0x25FF
            | 0x266F
            | 0x27D8
            | 0x27D9
            | 0x27C0
            | 0x27C1
            | 0x29B0..=0x29B4
            | 0x2A00..=0x2A06
            | 0x2A09..=0x2A16
            | 0x2A1B
            | 0x2A1C
            | 0x1D6C1
            | 0x1D6DB
            | 0x1D6FB
            | 0x1D715
            | 0x1D735
            | 0x1D74F
            | 0x1D76F
            | 0x1D789
            | 0x1D7A9
            | 0x1D7C3
            | 0x207A..=0x207E
            | 0x208A..=0x208E
            | 0x2220..=0x2222
            | 0x299B..=0x29AF
            | 0x2118
            | 0x212E
            | 0x309B
            | 0x309C
            | 0x1D7CE..=0x1D7E1
    )
}
