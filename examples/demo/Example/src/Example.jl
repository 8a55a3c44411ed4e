module Example

export hello, domath

"""
    hello(who::String) -> String

A greeting.
"""
hello(who::String) = "Hello, $who"

"""
    domath(x::Number) -> Number

`x` plus five.
"""
domath(x::Number) = x + 5

end
