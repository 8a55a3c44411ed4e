# What is compiled when it is called.

"""
    on_demand(f, arguments...; keywords...)

Calls `f` where the compiler does not look. What few sessions call, mistakes and other ways of building among it, is
compiled by those, and neither while this package is precompiled nor in the first call of every session.
"""
on_demand(f, @nospecialize(arguments...); keywords...) = Base.invokelatest(f, arguments...; keywords...)
