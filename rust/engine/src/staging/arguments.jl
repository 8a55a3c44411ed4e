# What the arguments of a statement stand for. Statements may come from anybody, so their code is not
# evaluated: it is walked, and what is not on a closed list is refused. The engine goes by the same list
# before (rust/statements/src/calls.rs); here it is also seen what a name stands for. No function of a
# package is called, and no constructor.

"Code that is not on the list."
struct Refused <: Exception
    code::String
end

"A name that stands for nothing; `leading` if no module is named before it."
struct Unknown <: Exception
    name::Symbol
    leading::Bool
end

function refuse(@nospecialize(code))
    text = string(code)
    throw(Refused(length(text) > 60 ? first(text, 60) * "…" : text))
end

"""
What the parsed `code` stands for. `names` has what is meant by the names that are not Julia's own;
`parameter` says whether the code is a parameter of a type, or part of one.

Throws [`Refused`](@ref), [`Unknown`](@ref), or what Julia says of a type that cannot be.
"""
function value_of_code(names, @nospecialize(code), parameter)
    code isa Symbol && return named(names, code)
    code isa QuoteNode && return code.value isa Symbol ? code.value : refuse(code)
    code isa Expr || return code
    head, args = code.head, code.args
    if head === :. && length(args) == 2
        return member(value_of_code(names, args[1], false), quoted_name(args[2]))
    end
    head === :curly && return with_parameters(names, args)
    head === :where && return with_variables(names, args)
    head === :tuple && return tuple_of(names, args, parameter)
    head === :call && return called(names, code, parameter)
    head === :macrocall && return of_macro(names, code)
    head === :quote && return quoted_name(code)
    return refuse(code)
end

function named(names, name)
    haskey(names, name) && return names[name]
    name === :Main && return Main
    for mod in (Core, Base)
        Base.isexported(mod, name) && isdefined(mod, name) && return getfield(mod, name)
    end
    # In traces of Julia < 1.12.
    name === :inf && return Inf
    name === :nan && return NaN
    throw(Unknown(name, true))
end

"What is quoted in `code`, which is a name."
function quoted_name(@nospecialize(code))
    code isa QuoteNode && code.value isa Symbol && return code.value
    code isa Expr && code.head === :quote && code.args[1] isa Symbol && return code.args[1]
    return refuse(code)
end

"`value.name`, but without the `getproperty` that a type may have."
function member(@nospecialize(value), name)
    value isa Module || return Core.getfield(value, name)
    isdefined(value, name) || throw(Unknown(name, false))
    return getfield(value, name)
end

function with_parameters(names, args)
    type = value_of_code(names, args[1], false)
    variables = TypeVar[]
    parameters = Any[]
    for arg in args[2:end]
        if arg isa Expr && arg.head in (:<:, :>:) && length(arg.args) == 1
            bound = value_of_code(names, arg.args[1], false)
            name = Symbol("#s", length(variables))
            push!(variables, arg.head === :<: ? TypeVar(name, bound) : TypeVar(name, bound, Any))
            push!(parameters, variables[end])
        else
            push!(parameters, value_of_code(names, arg, true))
        end
    end
    check_length(type, parameters)
    type = Core.apply_type(type, parameters...)
    for variable in reverse(variables)
        type = UnionAll(variable, type)
    end
    return type
end

function with_variables(names, args)
    names = copy(names)
    variables = TypeVar[]
    for arg in args[2:end]
        variable = type_variable(names, arg)
        names[variable.name] = variable
        push!(variables, variable)
    end
    type = value_of_code(names, args[1], false)
    for variable in reverse(variables)
        type = UnionAll(variable, type)
    end
    return type
end

function type_variable(names, @nospecialize(code))
    code isa Symbol && return TypeVar(code)
    code isa Expr || refuse(code)
    head, args = code.head, code.args
    bound(i) = value_of_code(names, args[i], false)
    if head === :comparison && length(args) == 5 && args[3] isa Symbol
        args[2] === args[4] === :<: && return TypeVar(args[3], bound(1), bound(5))
        args[2] === args[4] === :>: && return TypeVar(args[3], bound(5), bound(1))
    elseif length(args) == 2 && args[1] isa Symbol
        head === :<: && return TypeVar(args[1], bound(2))
        head === :>: && return TypeVar(args[1], bound(2), Any)
    end
    return refuse(code)
end

function tuple_of(names, args, parameter)
    has_names = any(arg -> arg isa Expr && arg.head === :(=), args)
    has_names || return Tuple(values_of_code(names, args, parameter))
    keys, values = fields_of(names, args, parameter)
    nothing in keys && refuse(Expr(:tuple, args...))
    return NamedTuple{Tuple(keys)}(Tuple(values))
end

values_of_code(names, args, parameter) = Any[value_of_code(names, arg, parameter) for arg in args]

"The names of `args`, as in `a=1`, or nothing for one without, and their values."
function fields_of(names, args, parameter)
    keys = Union{Symbol,Nothing}[]
    values = Any[]
    for arg in args
        has_name = arg isa Expr && arg.head in (:(=), :kw)
        push!(keys, has_name ? arg.args[1] : nothing)
        push!(values, value_of_code(names, has_name ? arg.args[2] : arg, parameter))
    end
    return keys, values
end

"The functions that may be called, with the modules that may stand before them; `nothing` for none."
const LISTED = Dict{Symbol,Tuple}(
    :typeof => (nothing, :Base, :Core), :Typeof => (:Core,),
    :kwftype => (:Core,), :kwfunc => (:Core,),
    :getfield => (nothing, :Base, :Core), :tuple => (nothing, :Base, :Core),
    :Symbol => (nothing, :Base, :Core),
    :which => (nothing, :Base), :reinterpret => (nothing, :Base),
    :(:) => (nothing,), :// => (nothing,), :- => (nothing,))

"The name of the function on the list that `callee` is, or nothing."
function listed(@nospecialize(callee))
    mod, name = nothing, callee
    if callee isa Expr && callee.head === :. && length(callee.args) == 2
        mod, name = callee.args[1], callee.args[2]
        name = name isa QuoteNode ? name.value : nothing
    end
    return name isa Symbol && mod in get(LISTED, name, ()) ? name : nothing
end

"Numbers of Julia's own, which its functions take without code of anybody else."
const Numbers = Union{Int8,Int16,Int32,Int64,Int128,UInt8,UInt16,UInt32,UInt64,UInt128,
    Float16,Float32,Float64}

function called(names, code, parameter)
    callee, args = code.args[1], code.args[2:end]
    name = listed(callee)
    if name === nothing
        parameter || refuse(code)
        # Before the fields: what is no type of plain values is refused with them.
        type = value_of_code(names, callee, false)
        is_plain(type) || refuse(code)
        return built(type, fields_of(names, args, true)..., code)
    end
    name === :Symbol && return length(args) == 1 && args[1] isa String ? Symbol(args[1]) : refuse(code)
    values = values_of_code(names, args, false)
    count = length(values)
    if name === :typeof || name === :Typeof
        count == 1 && return name === :typeof ? typeof(values[1]) : Core.Typeof(values[1])
    elseif name === :kwftype || name === :kwfunc
        # The other is of the function itself.
        fits = count == 1 && (name === :kwfunc || values[1] isa DataType)
        fits && return name === :kwfunc ? Core.kwfunc(values[1]) : Core.kwftype(values[1])
    elseif name === :getfield
        count == 2 && values[2] isa Symbol && return member(values[1], values[2])
    elseif name === :which
        is_signature = count == 2 && values[2] isa Union{Type,Tuple{Vararg{Type}}}
        is_signature && return which(values[1], values[2])
    elseif name === :tuple
        return Tuple(values)
    elseif name === :reinterpret
        fits = count == 2 && is_plain(values[1]) && values[1] !== Bool && is_bits(values[1], values[2])
        fits && return Core.Intrinsics.bitcast(values[1], values[2])
    elseif name === :-
        count == 1 && values[1] isa Numbers && return -values[1]
    elseif all(value -> value isa Numbers && value isa Integer, values)
        name === :// && count == 2 && return values[1] // values[2]
        name === :(:) && count in (2, 3) && return (:)(values...)
    end
    return refuse(code)
end

"Whether the values of `type` hold nothing but their bits, and no address."
is_plain(@nospecialize(type)) = type isa DataType && isconcretetype(type) && isbitstype(type) && !(type <: Ptr)

"""
The value of `type` that Julia writes as `type(a=1, b=2)`, `type(1, 2)` or `type(0x01)`. No constructor
is called, which could do anything.
"""
function built(type, keys, values, code)
    if isprimitivetype(type)
        length(values) == 1 && keys[1] === nothing || refuse(code)
        return primitive(type, values[1], code)
    end
    count = fieldcount(type)
    fits = length(values) == count && all(i -> keys[i] in (nothing, fieldname(type, i)), 1:count)
    fits || throw(ArgumentError("`$type` has other fields than `$code`"))
    fields = Any[as_field(fieldtype(type, i), values[i], code) for i in 1:count]
    return ccall(:jl_new_structv, Any, (Any, Ptr{Any}, UInt32), type, fields, count)
end

"Whether `value` is a number of as many bits as the values of `type` have, which has no fields."
is_bits(@nospecialize(type), @nospecialize(value)) =
    isprimitivetype(type) && value isa Unsigned && sizeof(value) == sizeof(type)

function as_field(@nospecialize(type), @nospecialize(value), code)
    value isa type && return value
    # Some versions write a number without its type.
    type isa DataType && type <: Numbers && return primitive(type, value, code)
    return refuse(code)
end

# Julia writes most values by their bits: `Char(0x55000000)` for 'U'. A character may also be written by
# its code point; no code point is so high as the bits of one.
function primitive(type, @nospecialize(value), code)
    is_number = type === Bool || type === Float32 || type === Float64
    is_point = type === Char && value isa Integer && value <= 0x10ffff
    is_number || is_point || !is_bits(type, value) || return Core.Intrinsics.bitcast(type, value)
    value isa Union{Numbers,Bool} && (type <: Numbers || type === Bool) && return type(value)
    type === Char && value isa Numbers && value isa Integer && return Char(value)
    return refuse(code)
end

"`@NamedTuple{...}`, `@Kwargs{...}`, and the macros that the parser makes of long numbers."
function of_macro(names, code)
    name, args = code.args[1], code.args[3:end]
    name isa GlobalRef && (name = name.name)
    if name isa Expr && name.head === :. && name.args[1] in (:Base, :Core)
        name = quoted_name(name.args[2])
    end
    length(args) == 1 || refuse(code)
    if args[1] isa String
        name === Symbol("@uint128_str") && return parse(UInt128, args[1])
        name === Symbol("@int128_str") && return parse(Int128, args[1])
        refuse(code)
    end
    fields = args[1]
    is_types = name in (Symbol("@NamedTuple"), Symbol("@Kwargs"))
    is_types && fields isa Expr && fields.head === :braces || refuse(code)
    keys, types = Symbol[], Any[]
    for field in fields.args
        has_type = field isa Expr && field.head === :(::) && length(field.args) == 2
        key = has_type ? field.args[1] : field
        key isa Symbol || refuse(code)
        push!(keys, key)
        push!(types, has_type ? value_of_code(names, field.args[2], true) : Any)
    end
    type = NamedTuple{Tuple(keys),Core.apply_type(Tuple, types...)}
    name === Symbol("@Kwargs") || return type
    isdefined(Base, name) || throw(Unknown(name, false))
    declared = Expr(:braces, (Expr(:(::), key, type) for (key, type) in zip(keys, types))...)
    # What it stands for differs between versions; it is Base's, and the types are known by now.
    return Core.eval(Main, Expr(:macrocall, GlobalRef(Base, name), LineNumberNode(0), declared))
end

"More elements of a tuple than any statement needs; Julia makes a list of as many."
const MOST_ELEMENTS = 1 << 16

"Throws if `parameters` make `type` a tuple of too many elements, or one that holds such a tuple."
function check_length(@nospecialize(type), parameters)
    for parameter in parameters
        parameter isa Integer && parameter > MOST_ELEMENTS && has_open_tuple(type, Core.TypeName[]) || continue
        throw(ArgumentError("a tuple of $parameter elements is longer than any statement needs"))
    end
    return nothing
end

"Whether `type` is or holds a tuple whose length a parameter may tell."
function has_open_tuple(@nospecialize(type), seen)
    type = Base.unwrap_unionall(type)
    type isa Union && return has_open_tuple(type.a, seen) || has_open_tuple(type.b, seen)
    is_vararg(type) && return true
    type isa DataType || return false
    any(parameter -> has_open_tuple(parameter, seen), type.parameters) && return true
    type.name in seen && return false
    push!(seen, type.name)
    fields = Base.unwrap_unionall(type.name.wrapper)
    (type <: Tuple || !isdefined(fields, :types)) && return false
    return any(field -> has_open_tuple(field, seen), fields.types)
end

# Up to Julia 1.6 `Vararg` is a type.
is_vararg(@nospecialize(type)) = isdefined(Core, :TypeofVararg) ? type isa Core.TypeofVararg :
    type isa DataType && type.name === Base.unwrap_unionall(Vararg).name
