# Reads a file of statements, one a line, and works out their arguments as the image process does.
# Writes for each line `read`, `refused` or `failed`; then whether any code of the module `A` ran.

const STAGING = joinpath(@__DIR__, "..", "..", "engine", "src", "staging")
include(joinpath(STAGING, "arguments.jl"))

module A
const ran = Ref(false)
evil(xs...; kws...) = (ran[] = true; 1)
const f = evil
struct Q{T}
    z::T
    Q{T}(xs...) where {T} = evil()
    Q(xs...) = evil()
end
struct Point
    x::Int
    y::Q{UInt8}
    Point(xs...; kws...) = evil()
end
struct Mine end
const mine = Mine()
(::Mine)(xs...; kws...) = evil()
(::Type{Mine})(xs...) = evil()
for op in (:+, :-, :*, ://, :^, :(==), :<, :>, :<=, :>=, :!, :adjoint, :getindex, :iterate, :getproperty, :in, :%, :/, :(:), :transpose, :convert)
    @eval Base.$op(::Mine, xs...) = evil()
    op in (:!, :adjoint, :iterate, :transpose) || @eval Base.$op(x::Int, ::Mine, xs...) = evil()
end
end

const NAMES = Dict{Symbol,Any}(:A => A, :f => A.f, :g => A.f, :a => A.mine, :b => A.mine, :x => A.mine,
    :evil => A.evil, :B => Vector, :T => Vector, :M => A, :λ => A.mine, :a! => A.evil, :Point => A.Point)

function outcome(text)
    call = Meta.parse(text; raise=false)
    call isa Expr && call.head === :call || return "failed"
    try
        for argument in call.args[2:end]
            value_of_code(NAMES, argument, false)
        end
    catch err
        return err isa Refused ? "refused" : "failed"
    end
    return "read"
end

foreach(line -> println(outcome(line)), eachline(ARGS[1]))
println(A.ran[] ? "code ran" : "no code ran")
