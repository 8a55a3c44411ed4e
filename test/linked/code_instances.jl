# A line for each code instance with native code that is valid now: the signature, and how it is called.
# Run on two images, the outputs tell which code only one of them has.

const SPECIAL = (
    unsafe_load(cglobal(:jl_fptr_const_return_addr, Ptr{Cvoid})) => "constant",
    unsafe_load(cglobal(:jl_fptr_args_addr, Ptr{Cvoid})) => "args",
    unsafe_load(cglobal(:jl_fptr_sparam_addr, Ptr{Cvoid})) => "sparam",
)

"A field, whether or not this Julia wants it read atomically."
function field(instance, name)
    Base.isfieldatomic(typeof(instance), name) && return getfield(instance, name, :monotonic)
    return getfield(instance, name)
end

function how_called(invoke)
    for (address, kind) in SPECIAL
        invoke == address && return kind
    end
    return "native"
end

"Before Julia 1.12 each type has a table of the methods of its instances."
function method_tables()
    isdefined(Core, :methodtable) && return Any[Core.methodtable]
    tables, seen = Any[], Base.IdSet{Any}()
    add(type) = type isa DataType && isdefined(type.name, :mt) && push!(seen, type.name.mt)
    todo = Module[Base.loaded_modules_array(); Core; Main]
    visited = Base.IdSet{Any}()
    while !isempty(todo)
        current = pop!(todo)
        current in visited && continue
        push!(visited, current)
        for name in names(current; all=true)
            isdefined(current, name) && !Base.isdeprecated(current, name) || continue
            value = getfield(current, name)
            value isa Module && push!(todo, value)
            value isa Type ? add(Base.unwrap_unionall(value)) : add(typeof(value))
        end
    end
    add(DataType)
    append!(tables, seen)
    return tables
end

function code_instances()
    found = Tuple{Ptr{Cvoid},Any}[]
    for table in method_tables(), method in Base.MethodList(table).ms, instance in Base.specializations(method)
        isdefined(instance, :cache) || continue
        code = instance.cache
        while true
            valid = field(code, :max_world) == typemax(UInt)
            invoke = field(code, :invoke)
            valid && invoke != C_NULL && push!(found, (invoke, instance.specTypes))
            isdefined(code, :next) || break
            code = code.next
        end
    end
    return found
end

# Printing compiles more, so that all are found first. The names of this script's functions are in no image.
const LINES = [string(how_called(invoke), '\t', signature) for (invoke, signature) in code_instances()]
foreach(println, unique!(sort!(filter!(line -> !occursin("Main.", line), LINES))))
