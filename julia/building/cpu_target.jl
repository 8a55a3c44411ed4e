# Whether `cpu_target` names CPUs: Julia starts with a name that it does not know, and fails at the first
# instruction that it misses.

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

"The first Julia whose LLVM may know more of them."
const OTHER_CPUS_SINCE = v"1.14-"

"The CPUs that a `cpu_target` names, without their features."
cpu_names(target) = String[strip(first(split(part, ','))) for part in split(String(target), ';'; keepempty=false)]

"""
    check_cpu_target(target)

# Errors
`BuildError` for a name that is no CPU's, with the nearest. On other processors, and on newer Julias,
whose names are not known here, none.
"""
function check_cpu_target(target)
    Sys.ARCH === :x86_64 && VERSION < OTHER_CPUS_SINCE || return nothing
    # An empty one is told of later.
    for name in cpu_names(target)
        (isempty(name) || name in ("native", "sysimage") || name in X86_CPUS) && continue
        near = nearest(name, X86_CPUS)
        throw(BuildError("`cpu_target` names `$name`, which is no CPU that Julia knows";
            hint=isempty(near) ? "use \"native\" for this machine, which is a $(Sys.CPU_NAME), or " *
                                 "\"generic\" for any of its kind" :
                 "did you mean $(join(string.('`', near, '`'), " or "))?"))
    end
    return nothing
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
