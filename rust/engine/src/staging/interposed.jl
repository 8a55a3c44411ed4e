# Tells the library that makes linked images (`rust/interpose`) what it cannot see for itself. It is
# preloaded into the image process, so that its functions are called as Julia's own are.

"Where this Julia keeps what the library reads: it compares that with what it knows of this version."
function tell_layout()
    types = Any[Core.CodeInstance, Core.MethodInstance, Method, Base.JLOptions]
    # Came with Julia 1.12.
    isdefined(Core, :ABIOverride) && push!(types, Core.ABIOverride)
    for type in types
        for i in 1:fieldcount(type)
            ccall(:pcrs_layout_field, Cint, (Cstring, Cstring, Csize_t), string(nameof(type)),
                string(fieldname(type, i)), fieldoffset(type, i))
        end
    end
    return nothing
end

"""
Tells of every method instance before anything is asked for: what was compiled until then, Julia's package
images aside, is this process's own.
"""
mark_own_methods() = for_each_instance(mi -> ccall(:pcrs_mark_script, Cvoid, (Any,), mi))

"""
Tells of every method instance while nothing is compiled but what was asked for. Julia's own image
build then compiles every method whose signature is concrete.
"""
mark_methods() = for_each_instance(mi -> ccall(:pcrs_mark, Cvoid, (Any,), mi))

"""
From now on Julia infers by way of a closure, until the library is asked for the code; functions of today are unknown in
the compiler's world. It keeps the code that inference makes, of which Julia keeps what can be inlined: all else would be
inferred a second time where it is generated (`collect.jl`). After [`pass_over_unasked`](@ref) nothing is inferred that
will be left out.
"""
function infer_through_closure()
    # Where methods are marked (see above).
    isdefined(Core, :methodtable) || return nothing
    sources, passing = IdDict{Core.CodeInstance,Core.CodeInfo}(), Ref(false)
    infer = Core.eval(@__MODULE__, quote
        let frozen = unsafe_load(cglobal(:jl_typeinf_world, UInt)), C = Base.Compiler, sources = $sources, passing = $passing,
            original = unsafe_pointer_to_objref(unsafe_load(cglobal(:jl_typeinf_func, Ptr{Cvoid})))
            Base.Experimental.@opaque function (mi, world, mode, rest...)
                passing[] && ccall(:pcrs_is_unasked, Cint, (Any,), mi) != 0 && return nothing
                # What is to run at once is compiled, too.
                mode === C.SOURCE_MODE_NOT_REQUIRED || return Core._call_in_world(frozen, original, mi, world, mode, rest...)
                interp = Core._call_in_world(frozen, C.NativeInterpreter, world)
                ci = Core._call_in_world(frozen, C.typeinf_ext, interp, mi, mode)
                for (code, source) in interp.codegen
                    (@atomic :monotonic code.inferred) === nothing && (sources[code] = source)
                end
                return ci
            end
        end
    end)
    # Compiles it, for the types that Julia calls it with.
    infer(first(Base.specializations(first(methods(identity)))), typemax(UInt), 0x00, 0x00)
    # Keeps them: Julia has the closure in a place where it does not look for garbage, and writes no task into an image.
    task_local_storage(:PackageCompilerRSInference, infer)
    task_local_storage(:PackageCompilerRSPassing, passing)
    task_local_storage(:PackageCompilerRSSources, sources)
    ccall(:pcrs_infer_through, Cvoid, (Any,), infer)
    return nothing
end

"""
Julia's own image build now infers every method whose signature is concrete, for seconds. This lets it pass over those
that will be left out.
"""
function pass_over_unasked()
    isdefined(Core, :methodtable) || return nothing
    task_local_storage(:PackageCompilerRSPassing)[] = true
    return nothing
end

function for_each_instance(tell)
    # The one table of all methods came with Julia 1.12.
    isdefined(Core, :methodtable) || return nothing
    for method in Base.MethodList(Core.methodtable).ms, instance in Base.specializations(method)
        tell(instance)
    end
    return nothing
end
