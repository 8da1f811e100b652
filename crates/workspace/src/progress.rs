//! Where steps say how far they are.

/// Is told what a step is at while it works.
pub trait Progress: Send + Sync {
    /// What a step is at, such as `orders: 3 of 18 files`.
    fn message(&self, step: &str, message: String);
}

/// Progress that is not shown.
impl Progress for () {
    fn message(&self, _step: &str, _message: String) {}
}
