//! What CPUs an image is for, in the words of Linux: the flags in /proc/cpuinfo, by which a launcher sees before it
//! starts Julia whether that will find code for the CPU.

use std::fs::{self, File};
use std::path::Path;

use object::{
    Architecture, BinaryFormat, Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, ReadCache,
    ReadRef,
};
use pcrs_linked::{Target, parse_targets};

/// What Julia calls a feature (src/features_x86.h: the bit, counted over 32-bit words) is a flag there
/// (arch/x86/include/asm/cpufeatures.h). Those that Linux does not name are left out.
const FLAGS: [(usize, &str); 65] = [
    (0, "pni"),
    (1, "pclmulqdq"),
    (9, "ssse3"),
    (12, "fma"),
    (13, "cx16"),
    (19, "sse4_1"),
    (20, "sse4_2"),
    (22, "movbe"),
    (23, "popcnt"),
    (25, "aes"),
    (26, "xsave"),
    (28, "avx"),
    (29, "f16c"),
    (30, "rdrand"),
    (64, "fsgsbase"),
    (67, "bmi1"),
    (69, "avx2"),
    (72, "bmi2"),
    (75, "rtm"),
    (80, "avx512f"),
    (81, "avx512dq"),
    (82, "rdseed"),
    (83, "adx"),
    (85, "avx512ifma"),
    (87, "clflushopt"),
    (88, "clwb"),
    (92, "avx512cd"),
    (93, "sha_ni"),
    (94, "avx512bw"),
    (95, "avx512vl"),
    (97, "avx512vbmi"),
    (101, "waitpkg"),
    (102, "avx512_vbmi2"),
    (104, "gfni"),
    (105, "vaes"),
    (106, "vpclmulqdq"),
    (107, "avx512_vnni"),
    (108, "avx512_bitalg"),
    (110, "avx512_vpopcntdq"),
    (118, "rdpid"),
    (121, "cldemote"),
    (123, "movdiri"),
    (124, "movdir64b"),
    (125, "enqcmd"),
    (136, "avx512_vp2intersect"),
    (142, "serialize"),
    (144, "tsxldtrk"),
    (150, "amx_bf16"),
    (151, "avx512_fp16"),
    (152, "amx_tile"),
    (153, "amx_int8"),
    (160, "lahf_lm"),
    (165, "abm"),
    (166, "sse4a"),
    (168, "3dnowprefetch"),
    (171, "xop"),
    (176, "fma4"),
    (181, "tbm"),
    (224, "xsaveopt"),
    (225, "xsavec"),
    (227, "xsaves"),
    (256, "clzero"),
    (265, "wbnoinvd"),
    (292, "avx_vnni"),
    (293, "avx512_bf16"),
];

/// The levels of the x86-64 psABI, each beyond the one before. LLVM knows them and Julia's table does not, so that an
/// image for one says nothing of what it needs.
const LEVELS: [(&str, &str); 3] = [
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
];

/// The longest list of targets that is read, in bytes.
const MOST: u64 = 1 << 16;

/// The flags that each target of the image at `path` needs, between spaces; a CPU with those of one target can run
/// it. None where this is not known: of other files than images for x86-64 that Linux or a BSD loads.
pub fn needed(path: &Path) -> Option<Vec<String>> {
    let targets = targets(path)?;
    Some(
        targets
            .iter()
            .map(|target| flags(target).join(" "))
            .collect(),
    )
}

/// The names of the targets that the image at `path` has code for, by [`name`]; none where [`needed`] knows none.
pub fn names(path: &Path) -> Option<Vec<String>> {
    let targets = targets(path)?;
    Some(
        targets
            .iter()
            .map(|target| name(&target.name).to_string())
            .collect(),
    )
}

/// What Julia calls a target that LLVM calls so (`sysimg_init_cb` in src/processor_x86.cpp).
pub fn name(target: &str) -> &str {
    if target == "x86-64" {
        "generic"
    } else {
        target
    }
}

fn targets(path: &Path) -> Option<Vec<Target>> {
    // Of a large file little is needed.
    let data = ReadCache::new(File::open(path).ok()?);
    parse_targets(target_ids(&data)?).ok()
}

/// The same of an image for this very CPU: what this kernel does not name, as old ones do not, is not needed.
pub fn needed_of_this_cpu(path: &Path) -> Option<Vec<String>> {
    let mut needed = needed(path)?;
    // Of several targets this CPU has only one.
    if let [only] = needed.as_mut_slice() {
        let lines = fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = lines.lines().find(|line| line.starts_with("flags"))?;
        let here: Vec<&str> = line.split_whitespace().collect();
        let named = only.split(' ').filter(|flag| here.contains(flag));
        *only = named.collect::<Vec<_>>().join(" ");
    }
    Some(needed)
}

fn flags(target: &Target) -> Vec<&'static str> {
    let has = |bit: usize| {
        let word = target.features.get(bit / 32);
        word.is_some_and(|word| word >> (bit % 32) & 1 == 1)
    };
    let mut flags: Vec<&str> = FLAGS
        .iter()
        .filter(|(bit, _)| has(*bit))
        .map(|(_, flag)| *flag)
        .collect();
    if let Some(level) = LEVELS.iter().position(|(name, _)| *name == target.name) {
        let all = LEVELS[..=level].iter().flat_map(|(_, of)| of.split(' '));
        flags.extend(all);
        flags.sort_unstable();
        flags.dedup();
    }
    flags
}

/// The bytes of an image from its serialised targets on (`serialize_target_data` in src/processor.cpp): before Julia
/// 1.9 they have a symbol, since then the fifth word of `jl_image_pointers` leads there.
fn target_ids<'data>(data: impl ReadRef<'data>) -> Option<&'data [u8]> {
    let file = object::File::parse(data).ok()?;
    if file.format() != BinaryFormat::Elf || file.architecture() != Architecture::X86_64 {
        return None;
    }
    let address_of = |name: &str| {
        let mut symbols = file.dynamic_symbols();
        symbols
            .find(|symbol| symbol.name() == Ok(name))
            .map(|symbol| symbol.address())
    };
    let address = match address_of("jl_dispatch_target_ids") {
        Some(address) => address,
        None => {
            let word = address_of("jl_image_pointers")? + 4 * 8;
            let (_, relocation) = file.dynamic_relocations()?.find(|(at, _)| *at == word)?;
            let based = match relocation.target() {
                object::RelocationTarget::Symbol(index) => file
                    .dynamic_symbol_table()?
                    .symbol_by_index(index)
                    .ok()?
                    .address(),
                _ => 0,
            };
            based.checked_add_signed(relocation.addend())?
        }
    };
    let section = file.sections().find(|section| {
        let end = section.address().saturating_add(section.size());
        (section.address()..end).contains(&address) && section.address() != 0
    })?;
    let left = section.address().saturating_add(section.size()) - address;
    section.data_range(address, left.min(MOST)).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(targets: &[(&str, &[u32])]) -> Vec<String> {
        let told = targets.iter().map(|(name, features)| {
            flags(&Target {
                name: (*name).into(),
                features: features.to_vec(),
            })
            .join(" ")
        });
        told.collect()
    }

    #[test]
    fn features_are_told_by_linuxs_flags() {
        let haswell = [1 | 1 << 28, 0, 1 << 5];
        let told = needs(&[("generic", &[0, 0, 0]), ("haswell", &haswell)]);
        assert_eq!(told, ["", "pni avx avx2"]);
    }

    #[test]
    fn levels_need_what_the_psabi_says() {
        let told = needs(&[("x86-64-v2", &[0]), ("x86-64-v3", &[0])]);
        assert_eq!(told[0], "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3");
        assert!(told[1].contains("avx2") && told[1].contains("sse4_2"));
        assert!(!told[1].contains("avx512f"));
    }

    #[test]
    fn only_images_have_targets() {
        let this = std::env::current_exe().unwrap();
        assert_eq!(needed(&this), None);
        assert_eq!(needed(Path::new("/nowhere")), None);
    }

    #[test]
    fn bits_are_in_order_and_once() {
        assert!(FLAGS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
