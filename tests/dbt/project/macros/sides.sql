{% macro count_of(relation) %}
    {% set found = run_query('select count(*) from ' ~ relation) %}
    {{ log('count of ' ~ relation ~ ' is ' ~ found.rows[0][0], info=True) }}
{% endmacro %}
