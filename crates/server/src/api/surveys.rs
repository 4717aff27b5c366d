//! `/cc/surveys`: what callers are asked.

use aftercall_core::survey::Definition;
use aftercall_core::{Survey, SurveyName};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Ask, Who};
use super::problem::{Kind, Problem};
use super::read::{Id, Query};
use super::{Api, forbidden};

/// A survey in brief.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyCard {
    /// Its name.
    pub name: String,
    /// Its version, as its author counts.
    pub version: u32,
    /// What it is, for people.
    pub title: Option<String>,
    /// The languages it can be spoken in.
    pub languages: Vec<String>,
    /// The question whose score is the call's rating.
    pub main_question: Option<String>,
}

/// All surveys.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyList {
    /// By name.
    pub surveys: Vec<SurveyCard>,
}

/// A survey with everything its author wrote.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyView {
    /// In brief.
    #[serde(flatten)]
    pub card: SurveyCard,
    /// The same as in its file.
    #[schema(value_type = Object)]
    pub definition: Definition,
}

impl From<&Survey> for SurveyCard {
    fn from(survey: &Survey) -> Self {
        Self {
            name: survey.name().to_string(),
            version: survey.version(),
            title: survey.definition().title.clone(),
            languages: survey.languages().iter().map(ToString::to_string).collect(),
            main_question: survey.main_question().map(str::to_owned),
        }
    }
}

/// List the surveys.
#[utoipa::path(
    get, path = "/cc/surveys", tag = "surveys", operation_id = "listSurveys",
    responses((status = 200, description = "The surveys", body = SurveyList)),
)]
pub async fn list(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    query: Query,
) -> Result<Json<SurveyList>, Problem> {
    query.nothing()?;
    if !who.may(Ask::Surveys) {
        return Err(forbidden());
    }
    let surveys = api.surveys().iter().map(|survey| SurveyCard::from(&**survey)).collect();
    Ok(Json(SurveyList { surveys }))
}

/// Read a survey.
#[utoipa::path(
    get, path = "/cc/surveys/{name}", tag = "surveys", operation_id = "readSurvey",
    params(("name" = String, Path, description = "Its name", min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")),
    responses((status = 200, description = "The survey", body = SurveyView)),
)]
pub async fn read(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(name): Id<SurveyName>,
    query: Query,
) -> Result<Json<SurveyView>, Problem> {
    query.nothing()?;
    if !who.may(Ask::Surveys) {
        return Err(forbidden());
    }
    let survey = api.surveys().get(&name);
    let survey = survey.ok_or_else(|| Problem::new(Kind::NotFound, "there is no survey of this name"))?;
    let card = SurveyCard::from(&**survey);
    Ok(Json(SurveyView { card, definition: survey.definition().clone() }))
}
