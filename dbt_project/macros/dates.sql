{#- A month is 30.4375 days (a year of 365.25 days by twelve), everywhere in Concord. -#}
{% macro days_per_month() -%} 30.4375 {%- endmacro %}

{#- Months from one date to another, rounded to four decimals; null where either is null. -#}
{% macro months_between(first_date, second_date) -%}
    round(cast({{ dbt.datediff(first_date, second_date, 'day') }} as double) / {{ days_per_month() }}, 4)
{%- endmacro %}

{% macro add_days(date_column, days) -%}
    cast({{ dbt.dateadd('day', days, date_column) }} as date)
{%- endmacro %}
