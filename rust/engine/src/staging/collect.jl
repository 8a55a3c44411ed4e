# Evaluated in an image process of Julia 1.12 by the library that is preloaded into it, in place of
# `Compiler.typeinf_ext_toplevel(methods, worlds, trim)`: the code instances to emit, each followed by
# its code, without those that an image has already (whose callees need no visit either). The loop is
# the compiler's own. A thunk at top level that defines nothing, so that nothing of it gets into the
# image. Nothing but a list is taken as an answer, so that an exception may be one.
try
    let C = Base.Compiler, GET_SOURCE = 0x0f, codeinfos = Any[], queues = Any[], storage = task_local_storage(),
        frozen = unsafe_load(cglobal(:jl_typeinf_world, UInt)), current = Base.get_world_counter(), sources = storage[:PackageCompilerRSSources]
        for world in (current, frozen, current)
            new = Core._call_in_world(frozen, C.NativeInterpreter, world)
            interp = Core._call_in_world(frozen, C.NativeInterpreter, new.world, new.method_table, new.inf_cache, sources,
                                         new.inf_params, new.opt_params)
            push!(queues, Core._call_in_world(frozen, Core.kwcall, (; interp), C.CompilationQueue))
        end
        later = queues[3]
        for i in 1:3
            queue = queues[i]
            interp, world = queue.interp, queue.interp.world
            i < 3 && append!(queue.tocompile, ccall(:pcrs_wanted, Any, (Cint,), i - 1)::Vector{Any})
            while !isempty(queue.tocompile)
                item = pop!(queue.tocompile)
                C.isinspected(queue, item) && continue
                if item isa Core.MethodInstance
                    C.markinspected!(queue, item)
                    if item.def.primary_world <= world && ccall(:pcrs_is_compiled, Cint, (Any, UInt), item, world) == 0
                        ci = Core._call_in_world(frozen, C.typeinf_ext, interp, item, GET_SOURCE)
                        ci isa Core.CodeInstance && push!(queue.tocompile, ci)
                    end
                elseif item isa Core.SimpleVector # (return type, signature) of a @ccallable
                    mi = ccall(:jl_get_specialization1, Ptr{Cvoid}, (Any, Csize_t, Cint), item[2], world, 0)
                    mi == C_NULL || push!(later.tocompile, unsafe_pointer_to_objref(mi))
                    push!(codeinfos, item)
                elseif ccall(:pcrs_has_code, Cint, (Any,), item) == 0
                    callee = item::Core.CodeInstance
                    mi = C.get_ci_mi(callee)
                    if C.use_const_api(callee)
                        src = Core._call_in_world(frozen, C.codeinfo_for_const, interp, mi, callee.rettype_const)
                    else
                        src = get(interp.codegen, callee, nothing)
                        if src === nothing
                            ci = Core._call_in_world(frozen, C.typeinf_ext, interp, mi, GET_SOURCE)
                            ci isa Core.CodeInstance && push!(queue.tocompile, ci)
                            ci === callee || C.markinspected!(queue, callee)
                            continue
                        end
                    end
                    C.markinspected!(queue, callee)
                    Core._call_in_world(frozen, Core.kwcall, (; invokelatest_queue=later), C.collectinvokes!, queue, src,
                                        Core._call_in_world(frozen, C.sptypes_from_meth_instance, mi))
                    if ccall(:jl_mi_cache_has_ci, Cint, (Any, Any), mi, callee) == 0
                        cached = ccall(:jl_get_ci_equiv, Any, (Any, UInt), callee, world)::Core.CodeInstance
                        if cached === callee
                            Core._call_in_world(frozen, setindex!, C.code_cache(interp), callee, mi)
                        else
                            callee = cached
                        end
                    end
                    push!(codeinfos, callee, src)
                end
            end
        end
        # The code that is not needed is garbage, which would take room while the image is written.
        storage[:PackageCompilerRSSources] = storage[:PackageCompilerRSInference] = nothing
        codeinfos
    end
catch err
    Base.invokelatest(sprint, showerror, err)
end
