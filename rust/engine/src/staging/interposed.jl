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
Tells of every method instance while nothing is compiled but what was asked for. Julia's own image
build then compiles every method whose signature is concrete.
"""
function mark_methods()
    # The one table of all methods came with Julia 1.12.
    isdefined(Core, :methodtable) || return nothing
    for method in Base.MethodList(Core.methodtable).ms, instance in Base.specializations(method)
        ccall(:pcrs_mark, Cvoid, (Any,), instance)
    end
    return nothing
end
