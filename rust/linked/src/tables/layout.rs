//! What the tables of each version of Julia look like: `jl_image_shard_t` of `src/processor.h`.

/// A column of the table of shards: a pointer to an array, which has a symbol `jl_NAME_NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// What offsets of functions are relative to.
    FunctionBase,
    /// The number of functions, then their offsets.
    FunctionOffsets,
    /// The number of functions, 64 bits.
    FunctionCount,
    /// Pointers to functions.
    FunctionPointers,
    /// The functions' numbers in the image.
    FunctionNumbers,
    /// What offsets of globals are relative to; where there is no such column, the offsets
    /// themselves are.
    GlobalBase,
    /// The number of globals, then their offsets.
    GlobalOffsets,
    /// The globals' numbers in the image.
    GlobalNumbers,
    /// The number of slots that hold a function for the CPU; then function and offset of each.
    CloneSlots,
    /// Offsets of functions for other CPUs.
    CloneOffsets,
    /// Pointers to functions for other CPUs.
    ClonePointers,
    /// For each CPU target, which functions these are.
    CloneNumbers,
}

impl Column {
    /// Its name in symbols.
    pub fn name(self) -> &'static str {
        match self {
            Column::FunctionBase => "fvar_base",
            Column::FunctionOffsets => "fvar_offsets",
            Column::FunctionCount => "fvar_count",
            Column::FunctionPointers => "fvar_ptrs",
            Column::FunctionNumbers => "fvar_idxs",
            Column::GlobalBase => "gvar_base",
            Column::GlobalOffsets => "gvar_offsets",
            Column::GlobalNumbers => "gvar_idxs",
            Column::CloneSlots => "clone_slots",
            Column::CloneOffsets => "clone_offsets",
            Column::ClonePointers => "clone_ptrs",
            Column::CloneNumbers => "clone_idxs",
        }
    }

    /// The symbol of this column of a shard.
    pub fn symbol(self, shard: u32) -> String {
        format!("jl_{}_{shard}", self.name())
    }
}

/// The layout of one version of Julia.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// The versions, as they are told.
    pub julia: &'static str,
    /// In order.
    pub columns: &'static [Column],
}

/// All that are known.
pub static LAYOUTS: [Layout; 2] = [
    Layout {
        julia: "1.10",
        columns: &[
            Column::FunctionBase,
            Column::FunctionOffsets,
            Column::FunctionNumbers,
            Column::GlobalBase,
            Column::GlobalOffsets,
            Column::GlobalNumbers,
            Column::CloneSlots,
            Column::CloneOffsets,
            Column::CloneNumbers,
        ],
    },
    Layout {
        julia: "1.11 and 1.12",
        columns: &[
            Column::FunctionCount,
            Column::FunctionPointers,
            Column::FunctionNumbers,
            Column::GlobalOffsets,
            Column::GlobalNumbers,
            Column::CloneSlots,
            Column::ClonePointers,
            Column::CloneNumbers,
        ],
    },
];

impl Layout {
    /// The layout of a version.
    pub fn of(julia: &str) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|layout| layout.julia == julia)
    }

    /// The size of a row.
    pub fn row(&self) -> u64 {
        8 * self.columns.len() as u64
    }

    /// The place of a column in a row.
    pub fn position(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|other| *other == column)
    }
}
