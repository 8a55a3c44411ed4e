//! Which package a statement is about.

use std::collections::HashMap;

use pcrs_statements::classify::modules;

use crate::plan::BuildPlan;

/// The packages of a plan by their names.
pub struct Packages<'a> {
    plan: &'a BuildPlan,
    places: HashMap<&'a str, usize>,
}

impl<'a> Packages<'a> {
    pub fn of(plan: &'a BuildPlan) -> Self {
        let names = plan.packages.iter().map(|package| package.name.as_str());
        Self {
            plan,
            places: names.zip(0..).collect(),
        }
    }

    /// The package that the statement `text` names; of several the one loaded last, which knows the others.
    pub fn named_in(&self, text: &str) -> Option<String> {
        let place = modules(text).filter_map(|name| self.places.get(name)).max();
        place.map(|place| self.plan.packages[*place].name.clone())
    }
}
