{{ config(materialized='ephemeral') }}
{# Scorable is a form of which a main scale has a score: the primary ones, or any where none is primary. A form of which
   only totals came has no items that could be answered. #}
{%- set forms = ref('stg_assessment') -%}
{%- set versions = scored_versions() -%}
{%- for version in versions %}
{%- set primary = version['scales'] | selectattr('row.is_primary') | list %}
select
    assessment_id,
    case
        when n_answered = 0 and ({% for scale in version['scales'] %}{{ 'or ' if not loop.first }}status_{{ scale['key'] }} = 'supplied' {% endfor %}) then 0
        else coalesce(n_items, 0)
    end as n_items,
    n_answered,
    {% for scale in primary or version['scales'] -%}
    {{ 'or ' if not loop.first }}status_{{ scale['key'] }} in ('scored', 'prorated', 'supplied') {% endfor %}as is_scorable
from (
    {{- scored_forms(version, forms, ['assessment_id', 'n_items', 'n_answered']) }}
) as scored
union all
{%- endfor %}
-- forms without any scale
select
    assessment_id,
    coalesce(n_items, 0) as n_items,
    n_answered,
    false as is_scorable
from {{ forms }}
where not (
    1 = 0
    {%- for version in versions %}
    or (instrument = '{{ version['instrument'] }}' and version = '{{ version['version'] }}')
    {%- endfor %}
)
