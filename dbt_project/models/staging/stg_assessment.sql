{# The wide rows are carried past every join and never gathered into one: the optimiser would turn a join around where it
   guesses that they are fewer, and hold all of them in memory. #}
{{ config(
    pre_hook="set disabled_optimizers = 'build_side_probe_side'",
    post_hook="reset disabled_optimizers"
) }}
{# The one wide table: who, when and where, every answer, and of every scale what was counted and what the unit supplied,
   by its place in the version (`answered_01` …). All that is long (items, scores, outcomes) is a view of it: storing it
   again costs more than everything else. Items beyond an instrument's own are null.
   Months: from dates where there are any; else as the site declares them; else the occasion's place in the schedule. #}
{%- set used = [ref('stg_delivery'), ref('stg_vanished'), ref('stg_superseded'), source('lake', 'assessment')] -%}
{%- set versions = scored_versions() -%}
{%- set n_columns = max_items() -%}
{%- set slots = score_slots(versions) -%}
{%- set n_items = items_of_instruments() -%}
with form as (
    {%- for key, family in instrument_families() %}
    {%- set own = versions | selectattr('instrument', 'equalto', key) | list %}
    select
        {{ form_columns(key, family) }},
        lake.content_hash,
        lake.source_file,
        lake.source_row,
        {{ items_of_version(key) }} as n_items,
        cast({{ count_of(range(1, n_items[key] + 1), false) }} as integer) as n_answered
        {%- for item in range(1, n_columns + 1) %},
        {{ 'lake.' ~ (item_column(item) | trim) if item <= n_items[key] else 'cast(null as smallint)' }} as {{ item_column(item) }}
        {%- endfor %}
        {%- for slot in slots %},
        {{ by_version(own, slot, slot_type(slot)) }} as {{ slot }}
        {%- endfor %}
    {{ current_forms(key) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

placed as (
    select
        form.*,
        episode.schedule,
        episode.months_anchor,
        {{ months_between('episode.anchor_date', 'form.assessment_date') }} as dated_months,
        case
            when occasion.anchor = 'discharge'
                then round(
                    {{ months_between('episode.anchor_date', 'episode.discharge_date') }} + occasion.lag_months, 4
                )
            else round(occasion.nominal_months, 4)
        end as nominal_months
    from form
    left join {{ ref('stg_episode') }} as episode on form.episode_id = episode.episode_id
    left join {{ source('inputs', 'occasion') }} as occasion
        on episode.schedule = occasion.schedule and form.occasion = occasion.occasion
)

select
    placed.assessment_id,
    placed.episode_id,
    {{ identified('placed.patient_id', 'placed.episode_id') }} as patient_id,
    placed.site_id,
    placed.instrument,
    placed.family,
    placed.version,
    placed.rater,
    placed.assessment_date,
    coalesce(placed.dated_months, round(placed.declared_months, 4), placed.nominal_months) as months,
    coalesce(placed.months_anchor, 'treatment_start') as months_anchor,
    placed.occasion,
    case
        when placed.schedule is null or placed.assessment_date is null then null
        when expected.due_point_id is null then 'unscheduled'
        when expected.due_date is not null then replace(expected.status, 'received_', '')
    end as timing,
    placed.sequence,
    placed.content_hash,
    placed.delivery,
    placed.source_file,
    placed.source_row,
    placed.is_vanished,
    placed.n_items,
    placed.n_answered
    {%- for item in range(1, n_columns + 1) %},
    placed.{{ item_column(item) }}
    {%- endfor %}
    {%- for slot in slots %},
    placed.{{ slot }}
    {%- endfor %}
from placed
left join {{ ref('expected_assessment') }} as expected on placed.assessment_id = expected.assessment_id
