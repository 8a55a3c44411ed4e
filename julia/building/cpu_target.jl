# Whether `cpu_target` names CPUs and what they can do: Julia starts with a name that it does not know, and fails at
# the first instruction that it misses; of a feature that it does not know LLVM says so many times, and goes on without.

"Names that LLVM 19 has for x86-64 (`llc -march=x86-64 -mcpu=help`), of which Julia's own are a part."
const X86_CPUS = split("""
    alderlake amdfam10 arrowlake arrowlake-s arrowlake_s athlon athlon-4 athlon-fx athlon-mp athlon-tbird
    athlon-xp athlon64 athlon64-sse3 atom atom_sse4_2 atom_sse4_2_movbe barcelona bdver1 bdver2 bdver3
    bdver4 bonnell broadwell btver1 btver2 c3 c3-2 cannonlake cascadelake clearwaterforest cooperlake
    core-avx-i core-avx2 core2 core_2_duo_sse4_1 core_2_duo_ssse3 core_2nd_gen_avx core_3rd_gen_avx
    core_4th_gen_avx core_4th_gen_avx_tsx core_5th_gen_avx core_5th_gen_avx_tsx core_aes_pclmulqdq
    core_i7_sse4_2 corei7 corei7-avx emeraldrapids generic geode goldmont goldmont-plus goldmont_plus
    gracemont grandridge graniterapids graniterapids-d graniterapids_d haswell i386 i486 i586 i686
    icelake-client icelake-server icelake_client icelake_server ivybridge k6 k6-2 k6-3 k8 k8-sse3 knl knm
    lakemont lunarlake meteorlake mic_avx512 nehalem nocona opteron opteron-sse3 pantherlake penryn pentium
    pentium-m pentium-mmx pentium2 pentium3 pentium3m pentium4 pentium4m pentium_4 pentium_4_sse3
    pentium_ii pentium_iii pentium_iii_no_xmm_regs pentium_m pentium_mmx pentium_pro pentiumpro prescott
    raptorlake rocketlake sandybridge sapphirerapids sierraforest silvermont skx skylake skylake-avx512
    skylake_avx512 slm tigerlake tremont westmere winchip-c6 winchip2 x86-64 x86-64-v2 x86-64-v3 x86-64-v4
    yonah znver1 znver2 znver3 znver4 znver5""")

"Features that LLVM has for x86-64 (`llc -march=x86-64 -mattr=help` of LLVM 14 to 22), of which Julia's are a part."
const X86_FEATURES = split("""
    3dnow 3dnowa 64bit adx aes allow-light-256-bit amx-avx512 amx-bf16 amx-complex amx-fp16 amx-fp8 amx-int8
    amx-movrs amx-tf32 amx-tile avx avx10.1 avx10.1-256 avx10.1-512 avx10.2 avx10.2-512 avx2 avx512bf16
    avx512bitalg avx512bw avx512cd avx512dq avx512er avx512f avx512fp16 avx512ifma avx512pf avx512vbmi
    avx512vbmi2 avx512vl avx512vnni avx512vp2intersect avx512vpopcntdq avxifma avxneconvert avxvnni
    avxvnniint16 avxvnniint8 bmi bmi2 branch-hint branchfusion ccmp cf cldemote clflushopt clwb clzero cmov
    cmpccxadd crc32 cx16 cx8 egpr enqcmd ermsb evex512 f16c false-deps-getmant false-deps-lzcnt-tzcnt
    false-deps-mulc false-deps-mullq false-deps-perm false-deps-popcnt false-deps-range fast-11bytenop
    fast-15bytenop fast-7bytenop fast-bextr fast-dpwssd fast-gather fast-hops fast-imm16 fast-lzcnt fast-movbe
    fast-scalar-fsqrt fast-scalar-shift-masks fast-shld-rotate fast-variable-crosslane-shuffle
    fast-variable-perlane-shuffle fast-vector-fsqrt fast-vector-shift-masks faster-shift-than-shuffle fma fma4
    fsgsbase fsrm fxsr gfni harden-sls-ijmp harden-sls-ret hreset idivl-to-divb idivq-to-divl
    inline-asm-use-gpr32 invpcid kl lea-sp lea-uses-ag lvi-cfi lvi-load-hardening lwp lzcnt macrofusion mmx
    movbe movdir64b movdiri movrs mpx mwaitx ndd nf no-bypass-delay no-bypass-delay-blend no-bypass-delay-mov
    no-bypass-delay-shuffle nopl pad-short-functions pclmul pconfig pku popcnt ppx prefer-128-bit
    prefer-256-bit prefer-legacy-setcc prefer-mask-registers prefer-movmsk-over-vtest prefer-no-gather
    prefer-no-scatter prefetchi prefetchwt1 prfchw ptwrite push2pop2 raoint rdpid rdpru rdrnd rdseed retpoline
    retpoline-external-thunk retpoline-indirect-branches retpoline-indirect-calls rtm sahf sbb-dep-breaking
    serialize seses sgx sha sha512 shstk slow-3ops-lea slow-incdec slow-lea slow-pmaddwd slow-pmulld
    slow-pmullq slow-shld slow-two-mem-ops slow-unaligned-mem-16 slow-unaligned-mem-32 sm3 sm4 sse
    sse-unaligned-mem sse2 sse3 sse4.1 sse4.2 sse4a ssse3 tagged-globals tbm tsxldtrk
    tuning-fast-imm-vector-shift uintr use-aa use-glm-div-sqrt-costs use-slm-arith-costs usermsr vaes
    vpclmulqdq vzeroupper waitpkg wbnoinvd widekl x87 xop xsave xsavec xsaveopt xsaves zu""")

"What Julia itself takes in their place (`parse_cmdline` in its src/processor.cpp), but for `base(NUMBER)`."
const TARGET_OPTIONS = ["clone_all", "opt_size", "min_size"]

"The first Julia whose LLVM may know more of them."
const OTHER_CPUS_SINCE = v"1.14-"

"The CPUs that a `cpu_target` names, without their features; to Julia a blank is part of a name."
cpu_names(target) = String[first(split(part, ',')) for part in split(String(target), ';'; keepempty=false)]

"""
    check_cpu_target(target)

# Errors
`BuildError` for a name that is no CPU's, or a feature that no CPU has, with the nearest. On other processors, and on
newer Julias, whose names are not known here, none.
"""
function check_cpu_target(target)
    Sys.ARCH === :x86_64 && VERSION < OTHER_CPUS_SINCE || return nothing
    # An empty one is told of later.
    for name in cpu_names(target)
        (isempty(strip(name)) || name in ("native", "sysimage") || name in X86_CPUS) && continue
        throw(unknown_in_target("`$name`, which is no CPU that Julia knows", name, X86_CPUS,
            "use \"native\" for this machine, which is a $(Sys.CPU_NAME), or \"generic\" for any of its kind"))
    end
    for part in split(String(target), ';'; keepempty=false), word in split(part, ',')[2:end]
        is_target_option(word) && continue
        feature = lstrip(word, ['+', '-'])
        throw(unknown_in_target("the feature `$word`, which Julia does not know", feature,
            [X86_FEATURES; TARGET_OPTIONS], "leave it out: Julia would say so many times, and go on without it"))
    end
    return nothing
end

function is_target_option(word)
    sign = startswith(word, '+') || startswith(word, '-')
    name = sign ? SubString(word, 2) : word
    return name in X86_FEATURES || name in TARGET_OPTIONS || occursin(r"^base\([0-9]+\)$", word)
end

"The error for a `name` in a `cpu_target` that is none of those `known`."
function unknown_in_target(what, name, known, otherwise)
    near = nearest(name, known)
    return BuildError("`cpu_target` names $what";
        hint=isempty(near) ? otherwise : "did you mean $(join(string.('`', near, '`'), " or "))?")
end

"""
    unusable_cpu_target(target, wanted) -> Vector{String}

A sentence where sessions on an image for `target` cannot precompile packages while `JULIA_CPU_TARGET` is `wanted`:
Julia 1.9 and newer start the process that does it with that, and the image must have code for the first of its
targets ("Unable to find compatible target in cached code image").
"""
function unusable_cpu_target(target, wanted)
    VERSION >= v"1.9" && !isempty(wanted) || return String[]
    first_name(targets) = get(cpu_names(targets), 1, "")
    first_name(target) == "native" && !(first_name(wanted) in ("native", Sys.CPU_NAME)) || return String[]
    return String["`JULIA_CPU_TARGET` is `$wanted`, and the image has code for this CPU alone: sessions on it cannot " *
        "precompile other packages while that is set; unset it for them, or build with " *
        "`cpu_target=ENV[\"JULIA_CPU_TARGET\"]`"]
end
