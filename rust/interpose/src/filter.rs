//! Which method instances are emitted.

/// What there is of a method instance's code for a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// No code instance.
    Nothing,
    /// One without native code in an image.
    Inferred,
    /// Native code in the base, or a constant, which needs none.
    Base,
    /// Native code in a package image.
    Package,
}

/// A method instance, looked at in the worlds of code and of the compiler. Julia compiles each for
/// both.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub current: Found,
    /// Whether its method is there in that world.
    pub current_visible: bool,
    pub compiler: Found,
    pub compiler_visible: bool,
}

impl Seen {
    /// 1.10 takes one list for both worlds. What a package image holds was never asked for in the
    /// compiler's world, unless it has a code instance there: else each of them would be emitted for
    /// that world.
    pub fn emitted(self) -> bool {
        let only_in_package = self.compiler == Found::Nothing && self.current == Found::Package;
        (self.current_visible && self.current < Found::Base)
            || (self.compiler_visible && self.compiler < Found::Base && !only_in_package)
    }

    /// Of what a package's image has compiled: whether Julia has kept none of it.
    pub fn lost(self) -> bool {
        self.current_visible && self.current == Found::Inferred
    }

    /// 1.12: for the current world.
    pub fn emitted_for_current(self) -> bool {
        self.current_visible && self.current < Found::Base
    }

    /// 1.12, of the compiler's own functions: whether it is for types that the compiler's world knows. Julia
    /// calls it there; loading a package (REPL among them) can make the code for the current world invalid.
    /// A package's own interpreter is of the current world alone.
    pub fn is_compilers_alone(self) -> bool {
        self.compiler != Found::Nothing && self.current < Found::Base
    }

    /// 1.12: for the compiler's. Only what inference has seen there: what was specialised later, by
    /// packages, is not called there.
    pub fn emitted_for_compiler(self) -> bool {
        self.compiler_visible && self.compiler == Found::Inferred
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(current: Found, compiler: Found) -> Seen {
        Seen {
            current,
            current_visible: true,
            compiler,
            compiler_visible: true,
        }
    }

    #[test]
    fn what_an_image_holds_is_not_emitted() {
        assert!(!seen(Found::Base, Found::Base).emitted());
        assert!(!seen(Found::Package, Found::Nothing).emitted());
        assert!(seen(Found::Package, Found::Inferred).emitted());
        assert!(seen(Found::Base, Found::Nothing).emitted());
        assert!(seen(Found::Inferred, Found::Base).emitted());
        let deleted = Seen {
            current_visible: false,
            ..seen(Found::Inferred, Found::Base)
        };
        assert!(!deleted.emitted());
    }

    #[test]
    fn only_what_is_valid_can_be_lost() {
        assert!(seen(Found::Inferred, Found::Nothing).lost());
        assert!(!seen(Found::Package, Found::Nothing).lost());
        // What a later method has made invalid has no code instance in this world.
        assert!(!seen(Found::Nothing, Found::Nothing).lost());
    }

    #[test]
    fn a_function_of_the_compiler_can_be_its_alone() {
        assert!(seen(Found::Nothing, Found::Base).is_compilers_alone());
        assert!(seen(Found::Inferred, Found::Base).is_compilers_alone());
        assert!(seen(Found::Nothing, Found::Inferred).is_compilers_alone());
        // Of a package's interpreter, one that is not valid any more too.
        assert!(!seen(Found::Inferred, Found::Nothing).is_compilers_alone());
        assert!(!seen(Found::Nothing, Found::Nothing).is_compilers_alone());
    }

    #[test]
    fn the_compilers_world_gets_what_it_knows() {
        assert!(seen(Found::Nothing, Found::Nothing).emitted_for_current());
        assert!(!seen(Found::Nothing, Found::Nothing).emitted_for_compiler());
        assert!(seen(Found::Base, Found::Inferred).emitted_for_compiler());
        assert!(!seen(Found::Base, Found::Base).emitted_for_compiler());
    }
}
