{#- n of N as a share; null where nothing was expected. -#}
{% macro rate(n, total) -%}
    cast({{ n }} as double) / nullif({{ total }}, 0)
{%- endmacro %}

{#- Counts of what was expected, and the three rates that they make. -#}
{% macro completeness_rates() -%}
    n_expected,
    n_received,
    n_scorable,
    n_items_expected,
    n_items_answered,
    {{ rate('n_received', 'n_expected') }} as received_rate,
    {{ rate('n_scorable', 'n_expected') }} as scorable_rate,
    {{ rate('n_items_answered', 'n_items_expected') }} as answered_rate
{%- endmacro %}
