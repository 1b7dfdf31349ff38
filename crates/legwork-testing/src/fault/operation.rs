//! The operations of a storage by name, for the script of [`super::FaultStorage`].

/// One operation of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// `Storage::migrate`.
    Migrate,
    /// `Storage::allocate_ids`.
    AllocateIds,
    /// `Storage::enqueue`.
    Enqueue,
    /// `Storage::register`.
    Register,
    /// `Storage::heartbeat`.
    Heartbeat,
    /// `Storage::exchange`.
    Exchange,
    /// `Storage::release`.
    Release,
    /// `Storage::retire`.
    Retire,
    /// `Storage::beats`.
    Beats,
    /// `Storage::rescue`.
    Rescue,
    /// `Storage::promote`.
    Promote,
    /// `Storage::prune`.
    Prune,
    /// `Storage::upsert_recurring`.
    UpsertRecurring,
    /// `Storage::remove_recurring`.
    RemoveRecurring,
    /// `Storage::trigger_recurring`.
    TriggerRecurring,
    /// `Storage::due_recurring`.
    DueRecurring,
    /// `Storage::fire_recurring`.
    FireRecurring,
    /// `Storage::cancel`.
    Cancel,
    /// `Storage::requeue`.
    Requeue,
    /// `Storage::delete`.
    Delete,
    /// `Storage::pause`.
    Pause,
    /// `Storage::resume`.
    Resume,
    /// `Storage::record_progress`.
    RecordProgress,
    /// `Storage::results`.
    Results,
    /// `Storage::close`.
    Close,
    /// Any read of `Inspect`.
    Inspect,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 26] = [
        Self::Migrate,
        Self::AllocateIds,
        Self::Enqueue,
        Self::Register,
        Self::Heartbeat,
        Self::Exchange,
        Self::Release,
        Self::Retire,
        Self::Beats,
        Self::Rescue,
        Self::Promote,
        Self::Prune,
        Self::UpsertRecurring,
        Self::RemoveRecurring,
        Self::TriggerRecurring,
        Self::DueRecurring,
        Self::FireRecurring,
        Self::Cancel,
        Self::Requeue,
        Self::Delete,
        Self::Pause,
        Self::Resume,
        Self::RecordProgress,
        Self::Results,
        Self::Close,
        Self::Inspect,
    ];
}
