# What an image answers must not depend on how its code came to be: results of the packages, and of
# code that is compiled only now and calls into them and into Base.
using Features, Featured, Generated, Greeter

foreach(println, Features.report())
foreach(println, Generated.results())
foreach(println, Generated.results(57))
println(Greeter.greet(Greeter.Name("answers")), ' ', Greeter.shout(Greeter.Name("loud"); mark="?"))

module New
using Features, Featured, Greeter

struct Circle <: Features.Shape
    radius::Float64
end
Features.area(c::Circle) = 3.5c.radius^2

struct Loud
    name::String
end
Base.show(io::IO, x::Loud) = print(io, uppercase(x.name))
Base.isless(a::Loud, b::Loud) = isless(a.name, b.name)

"Code of a package on a type that it does not know, and of Base on both."
answers() = [
    string(sum(Features.area, Features.Shape[Circle(1), Features.Square(2)])),
    string(sort!([Loud("b"), Loud("a")]; rev=true)),
    string(Featured.each(x -> x isa Loud ? x : Features.Odd(string(x)), Any[Loud("c"), 4])),
    string(Dict(Features.Odd("K") => Loud("d"))),
    sprint(show, Features.Matrixlike(["m"])),
    string(Features.unrolled((1, 2, 3, 4, 5, 6))),
    Features.spaced(Loud("e"), 1.5, :f; by=", ", times=3, other=1),
    Greeter.greet((; text="new")),
    join(Features.frames(() -> Featured.each(x -> throw(KeyError(x)), [1])), ' '),
    join(Features.frames(() -> sort([3, 1, 2]; by=x -> error("by")))[1:3], ' '),
]
end
foreach(println, New.answers())

# What was compiled is replaced.
Featured.advice(x::Int) = "now about $x"
println(Featured.advised(1))
Base.:(+)(a::Features.Odd, b::Features.Odd) = Features.Odd(a.text * b.text)
println(sum([Features.Odd("a"), Features.Odd("b")]))
println(Features.base_invalidated() == split(Features.report()[end - 4], ": "; limit=2)[2])
