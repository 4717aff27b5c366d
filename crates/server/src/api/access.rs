//! Who may do what (one table, in one place).

use aftercall_core::{AgentId, QueueId, TenantId};
use aftercall_store::{Actor, Rating, RatingFilter, Role, Subject};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Who {
    /// Whose data they see.
    pub tenant: TenantId,
    /// What they may do. Someone without a key, on this machine, may do everything in `default`.
    pub role: Role,
    /// Under which name it is kept that they did it.
    pub actor: Actor,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// To give a rating, for this queue if any.
    Rate(Option<&'a QueueId>),
    /// To see a rating.
    Read(&'a Rating),
    /// To move a rating into this queue.
    MoveTo(Option<&'a QueueId>),
    /// To see a queue's results.
    Queue(&'a QueueId),
    /// To see the surveys.
    Surveys,
    /// To see what is sent to whom, and to send it again.
    Webhooks,
    /// To see what the server as a whole does, whoever it does it for.
    Metrics,
}

impl Who {
    /// Whether the answer is yes.
    #[must_use]
    pub fn may(&self, ask: Ask<'_>) -> bool {
        match (&self.role, ask) {
            // Counters are about all tenants: for those who run the server.
            (Role::Viewer | Role::Admin, Ask::Metrics) => self.tenant == TenantId::default(),
            (_, Ask::Metrics) => false,
            (Role::Admin, _) => true,
            (Role::Ingest, Ask::Rate(_)) => true,
            (Role::Ingest, _) => false,
            (Role::Agent(own), Ask::Read(rating)) => rating.agent.as_ref() == Some(own),
            (Role::Agent(_), _) => false,
            (Role::Viewer, Ask::Read(_) | Ask::Queue(_) | Ask::Surveys) => true,
            (Role::Viewer, Ask::Rate(_) | Ask::MoveTo(_) | Ask::Webhooks) => false,
            (Role::Supervisor(_), Ask::Surveys) => true,
            (Role::Supervisor(_), Ask::Webhooks) => false,
            (Role::Supervisor(own), Ask::Rate(queue) | Ask::MoveTo(queue)) => holds(own, queue),
            (Role::Supervisor(own), Ask::Read(rating)) => holds(own, rating.queue.as_ref()),
            (Role::Supervisor(own), Ask::Queue(queue)) => holds(own, Some(queue)),
        }
    }

    /// Whether there are ratings that they may see.
    #[must_use]
    pub fn reads_ratings(&self) -> bool {
        !matches!(self.role, Role::Ingest)
    }

    /// Whether they may see every rating of their tenant.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        matches!(self.role, Role::Viewer | Role::Admin)
    }

    /// Whether they may see how far calls came: those are of queues, not of an agent.
    #[must_use]
    pub fn sees_funnels(&self) -> bool {
        matches!(self.role, Role::Viewer | Role::Supervisor(_) | Role::Admin)
    }

    /// The queues beyond which no rating is theirs; `None`: every rating of their tenant is.
    #[must_use]
    pub fn within(&self) -> Option<Vec<QueueId>> {
        match &self.role {
            Role::Supervisor(own) => Some(own.clone()),
            Role::Ingest | Role::Agent(_) | Role::Viewer | Role::Admin => None,
        }
    }

    /// Whether they may change those ratings that they see.
    #[must_use]
    pub fn changes_ratings(&self) -> bool {
        matches!(self.role, Role::Supervisor(_) | Role::Admin)
    }

    /// Which of an agent's ratings they may see; `None`: none.
    #[must_use]
    pub fn agent(&self, agent: AgentId) -> Option<Subject> {
        match &self.role {
            Role::Ingest => None,
            Role::Agent(own) => (*own == agent).then_some(Subject::Agent(agent)),
            Role::Supervisor(own) => Some(Subject::AgentIn(agent, own.clone())),
            Role::Viewer | Role::Admin => Some(Subject::Agent(agent)),
        }
    }

    /// The filter, narrowed to what they may see; `None`: it asks for what they may not.
    #[must_use]
    pub fn list(&self, mut filter: RatingFilter) -> Option<RatingFilter> {
        match &self.role {
            Role::Ingest => return None,
            Role::Agent(own) => {
                if filter.agent.as_ref().is_some_and(|agent| agent != own) {
                    return None;
                }
                filter.agent = Some(own.clone());
            }
            Role::Supervisor(own) => match &filter.queues {
                Some(asked) if !asked.iter().all(|queue| own.contains(queue)) => return None,
                Some(_) => {}
                None => filter.queues = Some(own.clone()),
            },
            Role::Viewer | Role::Admin => {}
        }
        Some(filter)
    }
}

fn holds(own: &[QueueId], queue: Option<&QueueId>) -> bool {
    queue.is_some_and(|queue| own.contains(queue))
}
